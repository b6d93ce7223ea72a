#include <algorithm>
#include <cmath>
#include <optional>

#include "noema/kernels/cpu/method.h"
#include "noema/kernels/cpu/transform_plan.h"

namespace noema::cpu {
namespace {

/// How a row is cut: stretches of `fresh` values, each computed from the 2M values that begin `before` earlier.
struct Cut {
  std::int64_t length;  // M
  std::int64_t fresh;
  std::int64_t before;
  std::int64_t stretches;

  double cost() const { return transform_cost(length) * static_cast<double>(stretches); }
};

/// Lags beyond the circle's reach must not fall upon values that are kept.
Cut whole(const LongConvSizes& sizes) {
  const std::int64_t reach = std::max(sizes.past - 1, sizes.future);
  return {transform_length(sizes.length + reach), sizes.length, 0, 1};
}

Cut in_stretches(const LongConvSizes& sizes) {
  const std::int64_t reach = sizes.past - 1 + sizes.future;
  std::optional<Cut> best;
  for (std::int64_t wanted = reach + 1; !best || wanted <= 16 * reach; wanted += wanted / 4 + 1) {
    const std::int64_t length = transform_length(reach + wanted);
    const std::int64_t fresh = 2 * length - reach;
    const Cut cut{length, fresh, sizes.past - 1, (sizes.length + fresh - 1) / fresh};
    if (!best || cut.cost() < best->cost()) best = cut;
  }
  return *best;
}

class TransformMethod : public Method {
 public:
  TransformMethod(const LongConvSizes& sizes, const Cut& cut, SimdLevel level)
      : sizes_(sizes), cut_(cut), transform_(cut.length, level) {}

  double row_flops() const override {
    const auto values = static_cast<double>(cut_.length);
    return static_cast<double>(cut_.stretches) * values * (10 * std::log2(values) + 6);
  }
  std::int64_t prepared_floats() const override { return transform_.floats(); }
  std::int64_t sum_floats() const override { return transform_.floats(); }
  std::int64_t work_floats() const override { return 2 * transform_.floats(); }

  void prepare(const float* taps, float* prepared, float* work) const override {
    const std::int64_t circle = transform_.floats();
    const float scale = 1.0F / static_cast<float>(cut_.length);
    std::fill_n(work, circle, 0.0F);
    for (std::int64_t i = 0; i < sizes_.past; ++i) work[i] = taps[sizes_.future + i] * scale;
    for (std::int64_t i = 0; i < sizes_.future; ++i) {  // z^−n = −z^(2M − n)
      work[circle - sizes_.future + i] = -taps[i] * scale;
    }
    loops().pack(tables(), work, {0, 0, circle}, prepared);
    loops().analyse(tables(), prepared);
  }

  void forward(const ForwardRows& rows, const float* prepared, float* work) const override {
    for (std::int64_t i = 0; i < rows.count; ++i) {
      if (rows_are_short()) {
        const bool last = i + 1 == rows.count;
        loops().convolve_short(tables(), {rows.v[i], sizes_.length, last ? nullptr : rows.v[i + 1]}, prepared,
                               {rows.y[i], sizes_.length, last ? nullptr : rows.y[i + 1]}, work);
        continue;
      }
      for (std::int64_t s = 0; s < cut_.stretches; ++s) {
        loops().pack(tables(), rows.v[i], read(s), work);
        loops().convolve(tables(), work, prepared);
        loops().unpack(tables(), work, owned(s), /*add=*/false, rows.y[i]);
      }
    }
  }

  void backward(const BackwardRows& rows, const float* prepared, float* sum, float* work) const override {
    float* second = work + transform_.floats();
    for (std::int64_t i = 0; i < rows.count; ++i) {
      if (rows_are_short()) {
        const bool last = i + 1 == rows.count;
        loops().backward_short(tables(), {rows.v[i], sizes_.length, last ? nullptr : rows.v[i + 1]},
                               {rows.dy[i], sizes_.length, last ? nullptr : rows.dy[i + 1]}, prepared, sum,
                               {rows.dv[i], sizes_.length, last ? nullptr : rows.dv[i + 1]}, work, second);
        continue;
      }
      // What a stretch owns of dy goes back to all that it read, so stretches add.
      const bool add = cut_.stretches > 1;
      if (add) std::fill_n(rows.dv[i], sizes_.length, 0.0F);
      for (std::int64_t s = 0; s < cut_.stretches; ++s) {
        loops().pack(tables(), rows.v[i], read(s), second);
        loops().pack(tables(), rows.dy[i], owned(s), work);
        loops().backward(tables(), second, work, prepared, sum);
        loops().unpack(tables(), work, read(s), add, rows.dv[i]);
      }
    }
  }

  void gradient(float* sum, float* taps, float* work) const override {
    const std::int64_t circle = transform_.floats();
    const float scale = 1.0F / static_cast<float>(cut_.length);
    loops().synthesise(tables(), sum);
    loops().unpack(tables(), sum, {0, 0, circle}, /*add=*/false, work);
    for (std::int64_t i = 0; i < sizes_.past; ++i) taps[sizes_.future + i] = work[i] * scale;
    for (std::int64_t i = 0; i < sizes_.future; ++i) taps[i] = -work[circle - sizes_.future + i] * scale;
  }

 private:
  const TransformLoops& loops() const { return transform_.loops(); }
  const TransformTables& tables() const { return transform_.tables(); }
  /// The imaginary parts of a packed row are zero.
  bool rows_are_short() const { return cut_.stretches == 1 && cut_.before == 0 && sizes_.length <= cut_.length; }
  /// The values that stretch s reads.
  Stretch read(std::int64_t s) const { return {s * cut_.fresh - cut_.before, 0, sizes_.length}; }
  /// The values that stretch s owns.
  Stretch owned(std::int64_t s) const {
    return {s * cut_.fresh - cut_.before, s * cut_.fresh, std::min(sizes_.length, (s + 1) * cut_.fresh)};
  }

  LongConvSizes sizes_;
  Cut cut_;
  TransformPlan transform_;
};

Cut cut_of(const LongConvSizes& sizes, bool stretches) { return stretches ? in_stretches(sizes) : whole(sizes); }

}  // namespace

std::unique_ptr<const Method> transform_method(const LongConvSizes& sizes, bool in_stretches, SimdLevel level) {
  return std::make_unique<TransformMethod>(sizes, cut_of(sizes, in_stretches), level);
}

double transform_row_cost(const LongConvSizes& sizes, bool in_stretches) { return cut_of(sizes, in_stretches).cost(); }

}  // namespace noema::cpu
