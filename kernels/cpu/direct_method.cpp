#include <algorithm>

#include "noema/kernels/cpu/loops.h"
#include "noema/kernels/cpu/method.h"

namespace noema::cpu {
namespace {

std::int64_t rounded_up(std::int64_t count) { return (count + 15) / 16 * 16; }

class DirectMethod : public Method {
 public:
  DirectMethod(const LongConvSizes& sizes, SimdLevel level)
      : sizes_(sizes), taps_(sizes.past + sizes.future), loops_(loops_of(level).direct) {}

  double row_flops() const override { return 2.0 * static_cast<double>(taps_) * static_cast<double>(sizes_.length); }
  /// The taps, and once more in reverse for the way back.
  std::int64_t prepared_floats() const override { return 2 * rounded_up(taps_); }
  std::int64_t sum_floats() const override { return taps_ * kDirectLanes; }
  std::int64_t work_floats() const override { return 2 * padded_floats(); }

  void prepare(const float* taps, float* prepared, float* /*work*/) const override {
    std::copy_n(taps, taps_, prepared);
    std::reverse_copy(taps, taps + taps_, prepared + rounded_up(taps_));
  }

  void forward(const ForwardRows& rows, const float* prepared, float* work) const override {
    for (std::int64_t i = 0; i < rows.count; ++i) {
      pad(rows.v[i], sizes_.past - 1, work);
      const bool last = i + 1 == rows.count;
      loops_.convolve(work, prepared, taps_, sizes_.length, rows.y[i], last ? nullptr : rows.v[i + 1],
                      last ? nullptr : rows.y[i + 1]);
    }
  }

  void backward(const BackwardRows& rows, const float* prepared, float* sum, float* work) const override {
    float* dy = work + padded_floats();
    for (std::int64_t i = 0; i < rows.count; ++i) {
      pad(rows.v[i], sizes_.past - 1, work);
      pad(rows.dy[i], sizes_.future, dy);
      const bool last = i + 1 == rows.count;
      loops_.convolve(dy, prepared + rounded_up(taps_), taps_, sizes_.length, rows.dv[i],
                      last ? nullptr : rows.v[i + 1], last ? nullptr : rows.dv[i + 1]);
      loops_.accumulate(work, dy + sizes_.future, taps_, sizes_.length, sum);
    }
  }

  void gradient(float* sum, float* taps, float* /*work*/) const override {
    for (std::int64_t i = 0; i < taps_; ++i) {
      float total = 0;
      for (std::int64_t lane = 0; lane < kDirectLanes; ++lane) total += sum[i * kDirectLanes + lane];
      taps[i] = total;
    }
  }

 private:
  std::int64_t padded_floats() const { return rounded_up(sizes_.length + taps_ + kDirectMargin); }
  /// The row behind `before` zeros, and zeros behind it.
  void pad(const float* row, std::int64_t before, float* padded) const {
    std::fill_n(padded, before, 0.0F);
    std::copy_n(row, sizes_.length, padded + before);
    std::fill(padded + before + sizes_.length, padded + padded_floats(), 0.0F);
  }

  LongConvSizes sizes_;
  std::int64_t taps_;
  const DirectLoops& loops_;
};

}  // namespace

std::unique_ptr<const Method> direct_method(const LongConvSizes& sizes, SimdLevel level) {
  return std::make_unique<DirectMethod>(sizes, level);
}

double direct_row_cost(const LongConvSizes& sizes) {
  const double of_vector = 1.6 + 0.36 * static_cast<double>(sizes.past + sizes.future);
  return 30 + of_vector * static_cast<double>(sizes.length) / 16;
}

}  // namespace noema::cpu
