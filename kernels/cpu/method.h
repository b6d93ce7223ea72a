// kernels/cpu/method: one way to convolve rows with a kernel.
#pragma once

#include <cstdint>
#include <memory>

#include "noema/kernels/long_conv.h"

namespace noema::cpu {

/// Rows of one channel, of some items.
struct ForwardRows {
  std::int64_t count;
  const float* const* v;
  float* const* y;
  /// From these rows to those of the next channel in memory, to fetch them ahead; 0 where they are not known.
  std::int64_t next_v = 0, next_y = 0;
};
struct BackwardRows {
  std::int64_t count;
  const float* const* v;
  const float* const* dy;
  float* const* dv;
};

/// Kernels are tap_count = future + past numbers here, of lags −future … past − 1. Immutable.
class Method {
 public:
  virtual ~Method() = default;

  /// Items whose rows of a channel the method takes best together.
  virtual std::int64_t items_together() const { return 1; }
  virtual double row_flops() const = 0;
  /// Sizes, in floats, of a prepared kernel, of a kernel's gradient while it is summed, and of working memory; all
  /// begin at multiples of 64 bytes.
  virtual std::int64_t prepared_floats() const = 0;
  virtual std::int64_t sum_floats() const = 0;
  virtual std::int64_t work_floats() const = 0;

  virtual void prepare(const float* taps, float* prepared, float* work) const = 0;
  virtual void forward(const ForwardRows& rows, const float* prepared, float* work) const = 0;
  /// Adds to `sum`, which begins as zeros.
  virtual void backward(const BackwardRows& rows, const float* prepared, float* sum, float* work) const = 0;
  /// The gradient of the taps; `sum` is overwritten.
  virtual void gradient(float* sum, float* taps, float* work) const = 0;
};

/// Sizes are such that each lag joins two values of a row.
std::unique_ptr<const Method> transform_method(const LongConvSizes& sizes, bool in_stretches, SimdLevel level);
std::unique_ptr<const Method> direct_method(const LongConvSizes& sizes, SimdLevel level);
/// `exact`: in bf16x3. Only where the level is amx.
std::unique_ptr<const Method> toeplitz_method(const LongConvSizes& sizes, bool exact, SimdLevel level);

/// Nanoseconds a row is expected to take on a processor with AVX-512, to compare methods.
double transform_row_cost(const LongConvSizes& sizes, bool in_stretches);
double direct_row_cost(const LongConvSizes& sizes);
double toeplitz_row_cost(const LongConvSizes& sizes, bool exact);

}  // namespace noema::cpu
