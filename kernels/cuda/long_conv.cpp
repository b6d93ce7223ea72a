#include "noema/kernels/cuda/long_conv.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "noema/kernels/cuda/failure.h"
#include "noema/kernels/cuda/method.h"

namespace noema::cuda {
namespace {

LongConvSizes clipped(LongConvSizes sizes) {
  sizes.past = std::min(sizes.past, sizes.length);
  sizes.future = std::min(sizes.future, sizes.length - 1);
  return sizes;
}

bool is_exact(const LongConvChoice& choice) { return choice.precision == LongConvPrecision::bf16x3; }

LongConvMethod best_method(const LongConvSizes& sizes, const LongConvChoice& choice) {
  if (choice.precision != LongConvPrecision::float32 && tile_method_is_best(sizes, is_exact(choice))) {
    return LongConvMethod::tiles;
  }
  return row_method_fits(sizes) ? LongConvMethod::rows : LongConvMethod::cufft;
}

std::unique_ptr<const Method> make_method(const LongConvSizes& asked, const LongConvSizes& sizes, LongConvMethod method,
                                          const LongConvChoice& choice) {
  switch (method) {
    case LongConvMethod::tiles:
      if (choice.precision == LongConvPrecision::float32) {
        throw_device_error("the convolution on tiles was asked for in float32; it needs a precision of bf16x3 or bf16");
      }
      if (!tile_method_fits(sizes, is_exact(choice))) {
        throw_device_error(
            "the convolution on tiles was asked for, but a row is longer than a block's memory has room");
      }
      return tile_method(sizes, is_exact(choice));
    case LongConvMethod::rows:
      if (!row_method_fits(sizes)) {
        throw_device_error("the convolution by rows in a block's memory was asked for, but a row is too long for it");
      }
      return row_method(asked, sizes);
    case LongConvMethod::cufft:
      break;
  }
  return cufft_method(asked, sizes);
}

}  // namespace

LongConvPlan::LongConvPlan(const LongConvSizes& sizes, const LongConvChoice& choice)
    : length_(sizes.length),
      method_(choice.method.value_or(best_method(clipped(sizes), choice))),
      work_(make_method(sizes, clipped(sizes), method_, choice)) {}
LongConvPlan::~LongConvPlan() = default;

std::size_t LongConvPlan::prepared_bytes() const { return work_->prepared_bytes(); }
std::size_t LongConvPlan::forward_bytes() const { return work_->forward_bytes(); }
std::size_t LongConvPlan::backward_bytes() const { return work_->backward_bytes(); }

void LongConvPlan::prepare(const Taps<const float>& taps, void* prepared, void* work, cudaStream_t stream) const {
  work_->prepare(taps, prepared, work, stream);
}
template <class Value>
void LongConvPlan::check_reach(const Series3<Value>& s) const {
  constexpr std::int64_t kMostChannels = 8, kMost = std::numeric_limits<std::uint32_t>::max();
  // Tiles count from the first channel of a block, where times are not side by side.
  const bool of_channels = method_ == LongConvMethod::tiles && s.time_pitch != 1;
  const std::int64_t reach = (length_ - 1) * s.time_pitch + (of_channels ? (kMostChannels - 1) * s.channel_pitch : 0);
  if (s.data == nullptr || method_ == LongConvMethod::cufft || reach <= kMost) return;
  throw_device_error("the values that a block of a GPU counts together reach over " + std::to_string(reach) +
                     " values of memory, more than the " + std::to_string(kMost) +
                     " that kernels count; make the series contiguous in time");
}

void LongConvPlan::forward(const LongConvForward& series, const void* prepared, void* work, cudaStream_t stream) const {
  for (const auto& s : {series.u, series.pre, series.post}) check_reach(s);
  check_reach(series.y);
  work_->forward(series, prepared, work, stream);
}
void LongConvPlan::backward(const LongConvBackward& series, const void* prepared, void* work,
                            cudaStream_t stream) const {
  for (const auto& s : {series.u, series.pre, series.post, series.dy}) check_reach(s);
  for (const auto& s : {series.du, series.dpre, series.dpost}) check_reach(s);
  work_->backward(series, prepared, work, stream);
}

}  // namespace noema::cuda
