#include "noema/connectomics/karcher_start.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <ATen/ops/cholesky_inverse.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/tensordot.h>
#include <ATen/ops/zeros_like.h>

#include <Eigen/QR>
#include <atomic>
#include <boost/math/special_functions/legendre.hpp>
#include <limits>
#include <optional>
#include <vector>

#include "noema/connectomics/shapes.h"
#include "noema/connectomics/spectral.h"

namespace noema {
namespace {

/// log X ≈ Σ c (I − ((1 − x) I + x X)⁻¹), the Padé approximant [m/m]: Gauss and Legendre's points on [0, 1], and their
/// weights divided by x.
struct Fraction {
  double x, c;
};

std::vector<Fraction> fractions_of_log(int m) {
  std::vector<Fraction> fractions;
  for (const double zero : boost::math::legendre_p_zeros<double>(m)) {
    const double slope = boost::math::legendre_p_prime(m, zero);
    const double weight = 1 / ((1 - zero * zero) * slope * slope);
    for (const double side : {zero, -zero}) {
      const double x = (1 + side) / 2;
      fractions.push_back({x, weight / x});
      if (zero == 0) break;
    }
  }
  return fractions;
}

/// Through the Cholesky factor; nothing where one does not exist.
std::optional<at::Tensor> inverse_of(const at::Tensor& matrices) {
  const auto [factor, info] = at::linalg_cholesky_ex(matrices);
  if ((info != 0).any().item<bool>()) return std::nullopt;
  return at::cholesky_inverse(factor);
}

/// Σ_i w_i Σ c ((1 − x) R + x A_i)⁻¹; nothing if one of them has no Cholesky factor.
std::optional<at::Tensor> mean_of_inverses(const at::Tensor& matrices, const at::Tensor& weights,
                                           const at::Tensor& reference, const std::vector<Fraction>& fractions) {
  at::Tensor sums = at::empty_like(matrices);
  std::atomic<bool> failed = false;
  by_matrix(matrices, [&](std::int64_t begin, std::int64_t end) {
    const at::Tensor some = matrices.slice(0, begin, end);
    at::Tensor sum = at::zeros_like(some);
    for (const Fraction& f : fractions) {
      const std::optional<at::Tensor> inverse = inverse_of(at::add((1 - f.x) * reference, some, f.x));
      if (!inverse) {
        failed = true;
        return;
      }
      sum.add_(*inverse, f.c);
    }
    sums.slice(0, begin, end).copy_(sum);
  });
  const at::Tensor mean = at::tensordot(weights, sums, {0}, {0});
  if (failed || !mean.isfinite().all().item<bool>()) return std::nullopt;
  return mean;
}

/// Anderson's acceleration of S(Z) = 0: from the residuals at the last steps the next step, such that their linear
/// model has the least residual, and β of that. It converges as conjugate gradients do for a symmetric derivative.
class Accelerated {
 public:
  explicit Accelerated(double beta) : beta_(beta) {}

  at::Tensor step(const at::Tensor& residual) {
    if (last_.defined()) changes_.push_back(residual - last_);
    last_ = residual;
    at::Tensor rest = residual, step = at::zeros_like(residual);
    if (!changes_.empty()) {
      const Eigen::VectorXd shares = best_shares();
      for (std::size_t j = 0; j < changes_.size(); ++j) {
        const double share = shares(static_cast<Eigen::Index>(j));
        rest = rest + share * changes_[j];
        step = step + share * steps_[j];
      }
    }
    steps_.push_back(step + beta_ * rest);
    return steps_.back();
  }

 private:
  /// The shares of the changes that take most off the last residual.
  Eigen::VectorXd best_shares() const {
    const auto count = static_cast<Eigen::Index>(changes_.size());
    Eigen::MatrixXd gram(count, count);
    Eigen::VectorXd right(count);
    for (Eigen::Index j = 0; j < count; ++j) {
      const at::Tensor& change = changes_[static_cast<std::size_t>(j)];
      right(j) = -(change * last_).sum().item<double>();
      for (Eigen::Index k = 0; k <= j; ++k) {
        gram(j, k) = gram(k, j) = (change * changes_[static_cast<std::size_t>(k)]).sum().item<double>();
      }
    }
    return gram.completeOrthogonalDecomposition().solve(right);
  }

  double beta_;
  std::vector<at::Tensor> steps_, changes_;
  at::Tensor last_;
};

/// K of a mean K Kᵀ of matrices whose arithmetic mean is I.
std::optional<at::Tensor> start_about_identity(const at::Tensor& matrices, const at::Tensor& weights) {
  const at::Tensor identity = at::eye(matrices.size(-1), matrices.options());
  const std::optional<at::Tensor> inverse = mean_of_inverses(matrices, weights, identity, {{1, 1}});
  if (!inverse) return std::nullopt;
  // The geometric mean of I and the harmonic mean, by two means of arithmetic and harmonic ones.
  const std::optional<at::Tensor> harmonic = inverse_of(*inverse), mixed = inverse_of((identity + *inverse) / 2);
  if (!harmonic || !mixed) return std::nullopt;
  const auto [root, info] = at::linalg_cholesky_ex(((identity + *harmonic) / 2 + *mixed) / 2);
  if (info.item<int>() != 0) return std::nullopt;
  at::Tensor frame = root;
  Accelerated accelerated(0.85);
  double norm_before = std::numeric_limits<double>::infinity();
  for (const int m : {3, 5}) {  // more would take longer than what Newton's method needs to catch up
    const std::vector<Fraction> fractions = fractions_of_log(m);
    const std::optional<at::Tensor> inverses = mean_of_inverses(matrices, weights, frame.matmul(frame.mT()), fractions);
    if (!inverses) return std::nullopt;
    double total = 0;
    for (const Fraction& f : fractions) total += f.c;
    const at::Tensor residual = symmetrised(total * identity - congruence(frame.mT(), *inverses));
    const double norm = residual.norm().item<double>();
    if (!(norm < norm_before)) break;
    norm_before = norm;
    // Half of the step on either side; to second order, which is positive definite whatever the step.
    const at::Tensor half = accelerated.step(residual) / 2;
    frame = frame + frame.matmul(half + half.matmul(half) / 2);
  }
  return frame;
}

}  // namespace

at::Tensor karcher_start(const at::Tensor& matrices, const at::Tensor& weights) {
  const at::Tensor mean = at::tensordot(weights, matrices, {0}, {0});
  const auto [factor, info] = at::linalg_cholesky_ex(mean);
  if (info.item<int>() != 0) return mean;
  const at::Tensor inverse =
      at::linalg_solve_triangular(factor, at::eye(mean.size(-1), mean.options()), /*upper=*/false);
  at::Tensor seen = at::empty(matrices.sizes(), matrices.options().dtype(at::kFloat));
  by_matrix(matrices, [&](std::int64_t begin, std::int64_t end) {
    seen.slice(0, begin, end).copy_(congruence(inverse, matrices.slice(0, begin, end)));
  });
  const std::optional<at::Tensor> frame = start_about_identity(seen, weights.to(at::kFloat));
  if (!frame) return mean;
  const at::Tensor root = factor.matmul(frame->to(mean.scalar_type()));
  return symmetrised(root.matmul(root.mT()));
}

}  // namespace noema
