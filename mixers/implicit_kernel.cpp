#include "noema/mixers/implicit_kernel.h"

#include <algorithm>

#include "noema/core/error.h"

namespace noema {

std::shared_ptr<KernelGenerator> make_kernel(const KernelOptions& options, std::int64_t channels, std::int64_t taps,
                                             at::Generator& generator) {
  switch (options.kind) {
    case KernelKind::taps:
      return nullptr;
    case KernelKind::sine:
      return std::make_shared<SineKernel>(channels, taps, options.sine, generator);
    case KernelKind::state_space:
      return std::make_shared<StateSpaceKernel>(channels, options.state_space, generator);
    case KernelKind::shift:
      return std::make_shared<ShiftKernel>(channels, taps, generator);
    case KernelKind::rational:
      return std::make_shared<RationalKernel>(channels, options.rational_order, generator);
    case KernelKind::band_limited:
      return std::make_shared<BandLimitedKernel>(channels, taps, std::min(taps, options.band_coefficients), generator);
  }
  throw UsageError("unknown kind of kernel");
}

}  // namespace noema
