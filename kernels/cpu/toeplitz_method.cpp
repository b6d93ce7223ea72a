#include <algorithm>

#include "noema/kernels/cpu/aligned.h"
#include "noema/kernels/cpu/method.h"
#include "noema/kernels/cpu/toeplitz.h"

namespace noema::cpu {
namespace {

std::int64_t rounded_up(std::int64_t count, std::int64_t unit) { return (count + unit - 1) / unit * unit; }

/// Forward on tiles. Backward, which needs the kernel's gradient as well, is by transforms in float32.
class ToeplitzMethod : public Method {
 public:
  ToeplitzMethod(const LongConvSizes& sizes, bool exact, SimdLevel level)
      : sizes_(sizes),
        taps_(sizes.past + sizes.future),
        exact_(exact),
        loops_(toeplitz_loops_amx()),
        backward_(transform_method(sizes, /*in_stretches=*/false, level)) {}

  std::int64_t items_together() const override { return kItemsInTile; }
  /// Of the products in bf16 with lags that join two values of the row.
  double row_flops() const override {
    const auto length = static_cast<double>(sizes_.length);
    const auto lags = [&](std::int64_t count) {
      return static_cast<double>(count) * (length - static_cast<double>(count - 1) / 2);
    };
    return 2 * (exact_ ? 3 : 1) * (lags(sizes_.past) + lags(sizes_.future + 1) - length);
  }
  std::int64_t prepared_floats() const override { return backward_begin() + backward_->prepared_floats(); }
  std::int64_t sum_floats() const override { return backward_->sum_floats(); }
  std::int64_t work_floats() const override {
    return std::max({rounded_up(taps_ + 2 * kLagMargin + 16, 16), kItemsInTile * pitch(), backward_->work_floats()});
  }

  void prepare(const float* taps, float* prepared, float* work) const override {
    backward_->prepare(taps, prepared + backward_begin(), work);
    std::fill_n(work, taps_ + 2 * kLagMargin + 16, 0.0F);
    std::copy_n(taps, taps_, work + kLagMargin);
    work[kLagMargin + sizes_.future] = 0;
    prepared[2 * pair_count()] = taps[sizes_.future];
    auto* pairs = reinterpret_cast<std::uint32_t*>(prepared);
    loops_.make_pairs(work + kLagMargin, taps_, pairs, pairs + pair_count());
  }

  void forward(const ForwardRows& rows, const float* prepared, float* work) const override {
    const Bf16Row split{reinterpret_cast<std::uint16_t*>(work),
                        reinterpret_cast<std::uint16_t*>(work) + kItemsInTile * pitch()};
    const auto* pairs = reinterpret_cast<const std::uint32_t*>(prepared);
    const TapPairs taps{pairs, pairs + pair_count(), sizes_.past, sizes_.future, prepared[2 * pair_count()]};
    for (std::int64_t first = 0; first < rows.count; first += kItemsInTile) {
      const std::int64_t items = std::min(kItemsInTile, rows.count - first);
      for (std::int64_t i = 0; i < items; ++i) {
        fetch_next(prepared, i);
        const Bf16Row row{split.high + i * pitch(), split.low + i * pitch()};
        loops_.split(rows.v[first + i], sizes_.length, rows.next_v, row);
        const std::int64_t written = rounded_up(sizes_.length, 16), padded = rounded_up(sizes_.length, kStep);
        std::fill_n(row.high + written, padded - written, std::uint16_t{0});
        std::fill_n(row.low + written, padded - written, std::uint16_t{0});
      }
      loops_.multiply(rows.v + first, split, pitch(), items, sizes_.length, taps, exact_, rows.y + first, rows.next_y);
    }
  }

  void backward(const BackwardRows& rows, const float* prepared, float* sum, float* work) const override {
    backward_->backward(rows, prepared + backward_begin(), sum, work);
  }
  void gradient(float* sum, float* taps, float* work) const override { backward_->gradient(sum, taps, work); }

 private:
  /// The share of an item in fetching the pairs of the next channel's kernel.
  void fetch_next(const float* prepared, std::int64_t item) const {
    const float* next = prepared + rounded_up(prepared_floats(), 16);
    for (std::int64_t i = 16 * item; i < backward_begin(); i += 16 * kItemsInTile) __builtin_prefetch(next + i);
  }
  /// bf16 from row to row: whole cache lines, and not a multiple of many.
  std::int64_t pitch() const { return rounded_up(sizes_.length, 2 * kStep) + kStep; }
  /// A prepared kernel is both pairs, the tap of lag 0 in a line of its own, and what backward takes.
  std::int64_t backward_begin() const { return 2 * pair_count() + 16; }
  std::int64_t pair_count() const { return rounded_up(taps_ + 2 * kLagMargin, 16); }

  LongConvSizes sizes_;
  std::int64_t taps_;
  bool exact_;
  const ToeplitzLoops& loops_;
  std::unique_ptr<const Method> backward_;
};

}  // namespace

std::unique_ptr<const Method> toeplitz_method(const LongConvSizes& sizes, bool exact, SimdLevel level) {
  return std::make_unique<ToeplitzMethod>(sizes, exact, level);
}

double toeplitz_row_cost(const LongConvSizes& sizes, bool exact) {
  const auto length = static_cast<double>(sizes.length);
  const double products = length * static_cast<double>(sizes.past + sizes.future) * (exact ? 3 : 1.7);
  const double items = static_cast<double>(std::min(sizes.batch, kItemsInTile));
  return 20 + products * 0.0008 * 16 / items;
}

}  // namespace noema::cpu
