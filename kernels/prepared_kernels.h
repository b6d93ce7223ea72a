// kernels/prepared_kernels: prepared kernels of a plan kept from call to call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "noema/kernels/long_conv.h"

namespace noema {

/// The prepared kernels that were used last, found again by the numbers they were made of, all of which are compared:
/// one that was changed in whatever way is another. Any number of threads may use one at once.
class PreparedKernels {
 public:
  /// At most so many bytes are kept, and none of more than a quarter of that.
  explicit PreparedKernels(std::size_t most_bytes = std::size_t{64} << 20) : most_bytes_(most_bytes) {}

  /// Null when there are none of these taps for this plan, whose kernels are of `sizes`. Rows of taps are contiguous.
  std::shared_ptr<const float> find(const std::shared_ptr<const LongConvPlan>& plan, const LongConvSizes& sizes,
                                    const Taps<const float>& taps);
  void keep(const std::shared_ptr<const LongConvPlan>& plan, const LongConvSizes& sizes, const Taps<const float>& taps,
            const std::shared_ptr<const float>& prepared);

 private:
  struct Kept {
    std::shared_ptr<const LongConvPlan> plan;
    std::vector<float> past, future, skip;
    std::shared_ptr<const float> prepared;
    std::size_t bytes;
  };
  using Entry = std::shared_ptr<const Kept>;

  const std::size_t most_bytes_;
  std::mutex mutex_;
  std::list<Entry> kept_;  // the one used last in front
  std::size_t bytes_ = 0;
};

}  // namespace noema
