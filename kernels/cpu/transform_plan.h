// kernels/cpu/transform_plan: which lengths the transform has, what they cost, and the tables of one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "noema/kernels/cpu/aligned.h"
#include "noema/kernels/cpu/transform.h"
#include "noema/kernels/simd.h"

namespace noema::cpu {

/// Transforms have M = 64·2^a·3^b·5^c complex values, at every level: four vectors of the widest.
constexpr std::int64_t kLengthUnit = 64;

/// Nanoseconds of a product by transforms of M values on a processor with AVX-512, for comparisons.
double transform_cost(std::int64_t length);

/// The M of least cost with 2M ≥ `real_values`.
std::int64_t transform_length(std::int64_t real_values);

/// Appends the roots of all butterflies, level by level, as the tables have them (transform.h), and where each level's
/// begin; returns the angles of the blocks that are left.
std::vector<double> append_roots(std::span<const int> radices, std::vector<float>& roots,
                                 std::vector<std::size_t>& begins);

class TransformPlan {
 public:
  TransformPlan(std::int64_t length, SimdLevel level);

  /// M.
  std::int64_t length() const { return tables_.vectors * tables_.lanes; }
  /// Floats of a row or its spectrum.
  std::int64_t floats() const { return 2 * length(); }
  const TransformTables& tables() const { return tables_; }
  const TransformLoops& loops() const { return *loops_; }

 private:
  /// Fills the roots of the levels; returns the angles of the blocks that are left, one for each vector.
  std::vector<double> fill_roots();
  void fill_vector_roots(const std::vector<double>& angles);

  const TransformLoops* loops_;
  TransformTables tables_;
  std::vector<float> roots_;
  AlignedFloats vector_roots_;
};

}  // namespace noema::cpu
