#include "noema/mixers/long_convolution.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/fft_irfft.h>
#include <ATen/ops/fft_rfft.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/kernels/long_conv_op.h"

namespace noema {
namespace {

/// The next length with prime factors 2, 3 and 5 alone.
std::int64_t fast_length(std::int64_t least) {
  for (std::int64_t n = least;; ++n) {
    std::int64_t rest = n;
    for (const std::int64_t factor : {2, 3, 5}) {
      while (rest % factor == 0) rest /= factor;
    }
    if (rest == 1) return n;
  }
}

void check_shapes(const at::Tensor& u, const at::Tensor& kernel, LagConvention convention) {
  const bool two = convention == LagConvention::bidirectional;
  const bool fits = u.dim() == 3 && u.size(1) > 0 && kernel.dim() == (two ? 3 : 2) && (!two || kernel.size(0) == 2) &&
                    kernel.size(-2) == u.size(2) && kernel.size(-1) > 0 &&
                    (convention != LagConvention::ring || kernel.size(1) % 2 == 0);
  if (fits) return;
  throw ShapeError(fmt::format(
      "found a series of shape [{}] and a kernel of shape [{}], expected (batch, time, channels) and {}",
      fmt::join(u.sizes(), ", "), fmt::join(kernel.sizes(), ", "),
      two ? "(2, channels, taps)"
          : (convention == LagConvention::ring ? "(channels, an even number of taps)" : "(channels, taps)")));
}

/// By LibTorch's transforms: any dtype and device, and gradients of gradients.
at::Tensor convolved_by_libtorch(const at::Tensor& u, const KernelSides& sides) {
  const std::int64_t volumes = u.size(1);
  const std::int64_t past = std::min(volumes, sides.past.size(1));
  const std::int64_t future = sides.future.defined() ? std::min(volumes - 1, sides.future.size(1)) : 0;
  // Long enough that what wraps around falls outside of the volumes that are kept.
  const std::int64_t length = fast_length(volumes + std::max(past - 1, future));

  at::Tensor circular = sides.past.narrow(1, 0, past);
  if (future > 0) {
    // Lag −1 stands last on the circle. Both sides fit: past + future ≤ 2T − 1, and the gap between them may be empty.
    const std::int64_t circle = std::max(length, fast_length(past + future));
    circular = at::constant_pad_nd(circular, {0, circle - past - future});
    circular = at::cat({circular, sides.future.narrow(1, 0, future).flip(1)}, 1);
  }
  const std::int64_t circle = std::max(length, circular.size(1));
  const at::Tensor spectrum = at::fft_rfft(u, circle, 1) * at::fft_rfft(circular.t(), circle, 0);  // (B, circle/2+1, C)
  return at::fft_irfft(spectrum, circle, 1).narrow(1, 0, volumes);
}

}  // namespace

KernelSides sides_of(const at::Tensor& kernel, LagConvention convention) {
  switch (convention) {
    case LagConvention::causal:
      return {kernel, {}};
    case LagConvention::bidirectional:
      return {kernel.select(0, 0), kernel.select(0, 1)};
    case LagConvention::ring: {
      const std::int64_t taps = kernel.size(1) / 2;
      return {kernel.narrow(1, 0, taps), kernel.narrow(1, taps, taps).flip(1)};
    }
  }
  throw UsageError("unknown lag convention");
}

at::Tensor joined(const KernelSides& sides, LagConvention convention) {
  switch (convention) {
    case LagConvention::causal:
      return sides.past;
    case LagConvention::bidirectional:
      return at::cat({sides.past.unsqueeze(0), sides.future.unsqueeze(0)}, 0);
    case LagConvention::ring:
      return at::cat({sides.past, sides.future.flip(1)}, 1);
  }
  throw UsageError("unknown lag convention");
}

at::Tensor long_convolution(const at::Tensor& u, const at::Tensor& kernel, LagConvention convention,
                            const at::Tensor& skip, const ConvolutionExtras& extras) {
  check_shapes(u, kernel, convention);
  const KernelSides sides = sides_of(kernel, convention);
  const auto for_loops = [](const at::Tensor& x) {
    return x.scalar_type() == at::kFloat && (x.is_cpu() || (x.is_cuda() && long_conv_has_cuda()));
  };
  if (for_loops(u) && for_loops(kernel)) {
    LongConvExtras given{.precision = extras.precision};
    if (sides.future.defined()) given.future = sides.future;
    if (skip.defined()) given.skip = skip;
    if (extras.before.defined()) given.pre = extras.before;
    if (extras.behind.defined()) given.post = extras.behind;
    return long_conv(u, sides.past, given);
  }
  const at::Tensor v = extras.before.defined() ? extras.before * u : u;
  const at::Tensor convolved = convolved_by_libtorch(v, sides);
  const at::Tensor y = skip.defined() ? convolved + skip * v : convolved;
  return extras.behind.defined() ? extras.behind * y : y;
}

at::Tensor continued_convolution(const at::Tensor& u, const at::Tensor& kernel, at::Tensor& state) {
  const at::Tensor all = at::cat({state, u}, 1);  // (B, L − 1 + T, C)
  const std::int64_t before = state.size(1);
  state = all.narrow(1, u.size(1), before).clone();
  return long_convolution(all, kernel, LagConvention::causal).narrow(1, before, u.size(1));
}

std::int64_t convolution_flops(std::int64_t channels, std::int64_t volumes, std::int64_t taps, bool two_sided) {
  const std::int64_t past = std::min(volumes, taps), future = two_sided ? std::min(volumes - 1, taps) : 0;
  const auto length = static_cast<double>(fast_length(volumes + std::max(past - 1, future)));
  const double transform = 2.5 * length * std::log2(length);  // of one real series
  const double row = 3 * transform + 6 * (length / 2 + 1);    // series, kernel, and back
  return channels * std::min(static_cast<std::int64_t>(row), 2 * volumes * (past + future));
}

}  // namespace noema
