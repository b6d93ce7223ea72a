// connectomics/constraints: maps from free numbers onto sets that parameters must stay in, and back.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>

namespace noema {

/// A differentiable map from free numbers onto a set; any parameter can be put under any of them.
///
/// Keep the free tensor as the parameter and use `apply(free)`. Gradients are exact for every free value that is
/// accepted. All take float32 and float64, in batches.
class Constraint {
 public:
  virtual ~Constraint() = default;

  /// A point of the set. @throws ShapeError; NumericalError where no point belongs to `free`
  virtual at::Tensor apply(const at::Tensor& free) const = 0;
  /// Free numbers whose point is `value`, for starting values; without gradient. Values on the border or outside are
  /// first moved inside as the constraint says. @throws ShapeError, NumericalError
  virtual at::Tensor invert(const at::Tensor& value) const = 0;
};

struct SimplexOptions {
  /// Along which the numbers are ≥ 0 and sum to 1.
  std::int64_t axis = -1;
  /// softmax(z / temperature): small ones are nearly hard. Nothing: √(size of the axis).
  std::optional<double> temperature = 1.0;
  /// `invert` raises smaller values to this, then divides by the sum.
  double minimum = 1e-3;
};
/// @throws UsageError unless temperature and minimum are positive
std::unique_ptr<Constraint> simplex_constraint(const SimplexOptions& options = {});

struct SphereOptions {
  /// Along which the p-norm is the radius.
  std::int64_t axis = -1;
  double radius = 1;
  double norm = 2;
};
/// radius·z/‖z‖; the zero vector has no direction (NumericalError). @throws UsageError unless radius > 0 and norm ≥ 1
std::unique_ptr<Constraint> sphere_constraint(const SphereOptions& options = {});

struct SpdOptions {
  /// No eigenvalue is below it (before a determinant is set).
  double floor = 1e-6;
  /// Scales the matrix to this determinant.
  std::optional<double> determinant;
};
/// (…, N, N): L·Lᵀ + floor·I, where L is the lower triangle of z with softplus on the diagonal. No eigenvectors, so
/// repeated eigenvalues are harmless. `invert` wants a symmetric matrix with eigenvalues above the floor
/// (NumericalError). @throws UsageError unless floor ≥ 0 and determinant > 0
std::unique_ptr<Constraint> spd_constraint(const SpdOptions& options = {});

/// (…, N, K), N ≥ K: orthonormal columns, the Q of z = Q·R with a positive diagonal of R, which unlike a bare Q is
/// continuous. Columns that depend on one another are refused (NumericalError). `invert` orthonormalises.
std::unique_ptr<Constraint> orthogonal_constraint();

/// lower + (upper − lower)·sigmoid(z), strictly inside. `invert` keeps a distance of 1e-4·(upper − lower) from both.
/// @throws UsageError unless lower < upper, both finite
std::unique_ptr<Constraint> bounded_constraint(double lower, double upper);

/// floor + softplus(z). `invert` keeps 1e-6 above the floor. @throws UsageError unless the floor is finite
std::unique_ptr<Constraint> positive_constraint(double floor = 0);

}  // namespace noema
