// Constraints: their sets, the way back, gradients, and what they refuse.
#include "noema/connectomics/constraints.h"

#include <gtest/gtest.h>

#include <cmath>

#include "gradient_check.h"
#include "noema/core/error.h"

namespace noema {
namespace {

double gradient_of(const Constraint& constraint, const at::Tensor& free) {
  return gradient_error([&](const auto& in) { return constraint.apply(in[0]); }, {free});
}

TEST(Constraints, SimplexSumsToOneAndComesBack) {
  const auto simplex = simplex_constraint({.axis = 0, .temperature = std::nullopt});
  const at::Tensor free = made_up({4, 3});
  const at::Tensor value = simplex->apply(free);
  const at::Tensor direct = at::exp(free / 2) / at::exp(free / 2).sum(0, true);  // temperature √4
  EXPECT_LT(largest_difference(value, direct), 1e-15);
  EXPECT_LT(largest_difference(simplex->apply(simplex->invert(value)), value), 1e-12);
  EXPECT_LT(gradient_of(*simplex, free), 1e-8);
  // A border value is raised to the minimum, then all are divided by their sum.
  const at::Tensor border = at::tensor({1., 0., 0., 0.}, at::kDouble);
  EXPECT_NEAR(simplex->apply(simplex->invert(border))[1].item<double>(), 1e-3 / 1.003, 1e-12);
  // A low temperature is nearly hard, and far logits do not overflow.
  const auto hard = simplex_constraint({.temperature = 1e-3});
  EXPECT_NEAR(hard->apply(at::tensor({1., 2., 1000.}, at::kDouble))[2].item<double>(), 1, 1e-15);
}

TEST(Constraints, SphereInEveryNorm) {
  for (const double norm : {1.0, 2.0, 3.0}) {
    const auto sphere = sphere_constraint({.axis = 1, .radius = 2.5, .norm = norm});
    const at::Tensor free = made_up({2, 4, 3}) + 0.05;
    const at::Tensor value = sphere->apply(free);
    EXPECT_LT(largest_difference(value.abs().pow(norm).sum(1), at::full({2, 3}, std::pow(2.5, norm), at::kDouble)),
              1e-12);
    EXPECT_GT((value * free).min().item<double>(), 0);  // the direction is kept
    EXPECT_LT(gradient_of(*sphere, free), 1e-7);
  }
  EXPECT_THROW(sphere_constraint()->apply(at::zeros({2, 3}, at::kDouble)), NumericalError);
}

TEST(Constraints, PositiveDefiniteWithRepeatedEigenvalues) {
  const auto spd = spd_constraint({.floor = 0.1});
  const at::Tensor identity = at::eye(3, at::kDouble);
  EXPECT_LT(largest_difference(spd->apply(spd->invert(identity)), identity), 1e-12);
  EXPECT_LT(gradient_of(*spd, spd->invert(identity)), 1e-8);
  const at::Tensor matrix = made_up_spd(2, 4) + 0.2 * at::eye(4, at::kDouble);
  EXPECT_LT(largest_difference(spd->apply(spd->invert(matrix)), matrix), 1e-12);
  const at::Tensor any = spd->apply(10 * made_up({5, 4, 4}, 3));
  EXPECT_GE(at::linalg_eigvalsh(any).min().item<double>(), 0.1 - 1e-9);
  EXPECT_EQ(largest_difference(any, any.mT()), 0);
  EXPECT_THROW(spd->invert(0.05 * identity), NumericalError);
  EXPECT_THROW(spd->apply(made_up({2, 3})), ShapeError);
}

TEST(Constraints, DeterminantIsFixed) {
  const auto isochoric = spd_constraint({.determinant = 3.0});
  const at::Tensor value = isochoric->apply(made_up({2, 5, 5}));
  EXPECT_LT(largest_difference(at::linalg_det(value), at::full({2}, 3.0, at::kDouble)), 1e-10);
  EXPECT_LT(gradient_of(*isochoric, made_up({3, 3})), 1e-7);
}

TEST(Constraints, OrthogonalIsContinuous) {
  const auto orthogonal = orthogonal_constraint();
  const at::Tensor free = made_up({2, 5, 3});
  const at::Tensor q = orthogonal->apply(free);
  EXPECT_LT(largest_difference(q.mT().matmul(q), at::eye(3, at::kDouble)), 1e-14);
  // Q of an orthonormal matrix is itself: a bare QR would return it with changed signs.
  EXPECT_LT(largest_difference(orthogonal->apply(q), q), 1e-13);
  EXPECT_LT(largest_difference(orthogonal->apply(-q), -q), 1e-13);
  EXPECT_LT(gradient_of(*orthogonal, free), 1e-7);
  at::Tensor dependent = made_up({4, 2});
  dependent.select(1, 1).copy_(2 * dependent.select(1, 0));
  EXPECT_THROW(orthogonal->apply(dependent), NumericalError);
  EXPECT_THROW(orthogonal->apply(made_up({2, 3})), ShapeError);
}

TEST(Constraints, BoundedStaysInside) {
  const auto bounded = bounded_constraint(-0.5, 1.5);  // the whole range that is asked for, not half of it
  EXPECT_DOUBLE_EQ(bounded->apply(at::zeros({1}, at::kDouble)).item<double>(), 0.5);
  EXPECT_NEAR(bounded->apply(at::tensor({2.0}, at::kDouble)).item<double>(), -0.5 + 2 / (1 + std::exp(-2.0)), 1e-15);
  EXPECT_NEAR(bounded->apply(at::tensor({20.0}, at::kDouble)).item<double>(), 1.5, 1e-6);
  const at::Tensor value = at::tensor({-0.4, 0.0, 1.4}, at::kDouble);
  EXPECT_LT(largest_difference(bounded->apply(bounded->invert(value)), value), 1e-12);
  EXPECT_TRUE(bounded->invert(at::tensor({-9.0, 9.0}, at::kDouble)).isfinite().all().item<bool>());
  EXPECT_LT(gradient_of(*bounded, made_up({4})), 1e-9);
  EXPECT_THROW(bounded_constraint(1, 1), UsageError);

  const auto positive = positive_constraint(0.25);
  const at::Tensor far = at::tensor({0.2500011, 1.0, 60.0}, at::kDouble);
  EXPECT_LT(largest_difference(positive->apply(positive->invert(far)), far), 1e-10);
  EXPECT_NEAR(positive->apply(at::zeros({1}, at::kDouble)).item<double>(), 0.25 + std::log(2.0), 1e-15);
  EXPECT_LT(gradient_of(*positive, made_up({4})), 1e-9);
}

TEST(Constraints, SinglePrecisionAndBadOptions) {
  EXPECT_EQ(spd_constraint()->apply(made_up({3, 3}).to(at::kFloat)).scalar_type(), at::kFloat);
  EXPECT_THROW(simplex_constraint()->apply(at::ones({3}, at::kLong)), ShapeError);
  EXPECT_THROW(simplex_constraint({.temperature = 0.0}), UsageError);
  EXPECT_THROW(sphere_constraint({.norm = 0.5}), UsageError);
  EXPECT_THROW(spd_constraint({.floor = -1}), UsageError);
}

}  // namespace
}  // namespace noema
