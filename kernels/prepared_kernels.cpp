#include "noema/kernels/prepared_kernels.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace noema {
namespace {

std::vector<float> copied(const float* values, std::int64_t count) {
  return values == nullptr ? std::vector<float>{} : std::vector<float>(values, values + count);
}

/// Bit by bit, so that a zero with another sign, or a NaN, is what it is.
bool same(const std::vector<float>& kept, const float* values, std::int64_t count) {
  if (values == nullptr) return kept.empty();
  return static_cast<std::int64_t>(kept.size()) == count &&
         std::memcmp(kept.data(), values, kept.size() * sizeof(float)) == 0;
}

}  // namespace

std::shared_ptr<const float> PreparedKernels::find(const std::shared_ptr<const LongConvPlan>& plan,
                                                   const LongConvSizes& sizes, const Taps<const float>& taps) {
  std::vector<Entry> of_plan;  // compared without the lock
  {
    const std::lock_guard lock(mutex_);
    std::copy_if(kept_.begin(), kept_.end(), std::back_inserter(of_plan),
                 [&](const Entry& entry) { return entry->plan == plan; });
  }
  for (const Entry& entry : of_plan) {
    if (!same(entry->past, taps.past, sizes.channels * sizes.past) ||
        !same(entry->future, taps.future, sizes.channels * sizes.future) ||
        !same(entry->skip, taps.skip, sizes.channels)) {
      continue;
    }
    const std::lock_guard lock(mutex_);
    const auto there = std::find(kept_.begin(), kept_.end(), entry);
    if (there != kept_.end()) kept_.splice(kept_.begin(), kept_, there);
    return entry->prepared;
  }
  return nullptr;
}

void PreparedKernels::keep(const std::shared_ptr<const LongConvPlan>& plan, const LongConvSizes& sizes,
                           const Taps<const float>& taps, const std::shared_ptr<const float>& prepared) {
  const std::int64_t floats = sizes.channels * (plan->prepared_floats() + sizes.past + sizes.future + 1);
  const std::size_t bytes = static_cast<std::size_t>(floats) * sizeof(float);
  if (bytes > most_bytes_ / 4) return;
  const auto entry = std::make_shared<const Kept>(Kept{plan, copied(taps.past, sizes.channels * sizes.past),
                                                       copied(taps.future, sizes.channels * sizes.future),
                                                       copied(taps.skip, sizes.channels), prepared, bytes});
  const std::lock_guard lock(mutex_);
  kept_.push_front(entry);
  bytes_ += bytes;
  while (bytes_ > most_bytes_) {
    bytes_ -= kept_.back()->bytes;
    kept_.pop_back();
  }
}

}  // namespace noema
