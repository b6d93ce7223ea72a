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
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "noema/connectomics/shapes.h"
#include "noema/connectomics/spectral.h"

namespace noema {
namespace {

/// log X ≈ Σ share (½ I − (I + X/pole)⁻¹).
struct Fraction {
  double pole, share;
};

/// The best such sums of 3, 4 and 5 fractions for eigenvalues from e⁻³ to e³, by least squares over poles and shares;
/// they are off by at most 5e-3, 5e-4 and 5e-5. Poles come in pairs p and 1/p of equal share, as log 1/x = −log x.
std::vector<Fraction> fractions_of_log(int count) {
  std::vector<Fraction> fractions;
  const auto pair = [&](double pole, double share) {
    fractions.push_back({pole, share});
    fractions.push_back({1 / pole, share});
  };
  if (count == 3) {
    pair(16.385695, 3.3101885);
    fractions.push_back({1, 2.6136036});
  } else if (count == 4) {
    pair(30.295839, 3.0267577);
    pair(2.7952802, 2.0897039);
  } else {
    pair(47.937638, 2.8782616);
    pair(5.5346960, 1.8017728);
    fractions.push_back({1, 1.6717366});
  }
  return fractions;
}

/// Symmetric positive definite matrices to their inverses, in place through the Cholesky factors; false where one does
/// not exist. The matrices are to be column by column in memory.
bool invert(at::Tensor& matrices) {
  at::Tensor info = at::empty({0}, matrices.options().dtype(at::kInt));
  at::linalg_cholesky_ex_out(matrices, info, matrices);
  if ((info != 0).any().item<bool>()) return false;
  at::cholesky_inverse_out(matrices, matrices);
  return true;
}

std::optional<at::Tensor> inverse_of(const at::Tensor& matrix) {
  at::Tensor result = matrix.clone(at::MemoryFormat::Contiguous).mT();
  if (!invert(result)) return std::nullopt;
  return result;
}

/// Σ_i w_i Σ share (R + A_i/pole)⁻¹ of the same matrices at many R.
class MeanOfInverses {
 public:
  MeanOfInverses(const at::Tensor& matrices, const at::Tensor& weights)
      : matrices_(matrices), weights_(weights), sums_(at::empty_like(matrices)) {}

  /// Nothing if one of them has no Cholesky factor.
  std::optional<at::Tensor> at_reference(const at::Tensor& reference, const std::vector<Fraction>& fractions) {
    std::atomic<bool> failed = false;
    by_matrix(matrices_, [&](std::int64_t begin, std::int64_t end) {
      const at::Tensor some = part_of(matrices_, begin, end).mT();
      at::Tensor sum = part_of(sums_, begin, end).mT().zero_(), inverse = at::empty_like(some);
      for (const Fraction& f : fractions) {
        at::add_out(inverse, reference.mT(), some, 1 / f.pole);
        if (!invert(inverse)) {
          failed = true;
          return;
        }
        sum.add_(inverse, f.share);
      }
    });
    if (failed) return std::nullopt;
    const at::Tensor mean = at::tensordot(weights_, sums_, {0}, {0});
    if (!mean.isfinite().all().item<bool>()) return std::nullopt;
    return mean;
  }

 private:
  at::Tensor matrices_, weights_, sums_;
};

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
  MeanOfInverses mean(matrices, weights);
  const std::optional<at::Tensor> inverse = mean.at_reference(at::zeros_like(identity), {{1, 1}});
  if (!inverse) return std::nullopt;
  // The geometric mean of I and the harmonic mean, by two means of arithmetic and harmonic ones.
  const std::optional<at::Tensor> harmonic = inverse_of(*inverse), mixed = inverse_of((identity + *inverse) / 2);
  if (!harmonic || !mixed) return std::nullopt;
  const auto [root, info] = at::linalg_cholesky_ex(((identity + *harmonic) / 2 + *mixed) / 2);
  if (info.item<int>() != 0) return std::nullopt;
  at::Tensor frame = root;
  Accelerated accelerated(0.85);
  double norm_before = std::numeric_limits<double>::infinity();
  const double rounding = 1e-5 * std::sqrt(static_cast<double>(matrices.size(-1)));
  for (const int count : {3, 3, 4, 5}) {  // more would take longer than what Newton's method needs to catch up
    const std::vector<Fraction> fractions = fractions_of_log(count);
    const std::optional<at::Tensor> inverses = mean.at_reference(frame.matmul(frame.mT()), fractions);
    if (!inverses) return std::nullopt;
    double shares = 0;
    for (const Fraction& f : fractions) shares += f.share;
    const at::Tensor residual = symmetrised(shares / 2 * identity - congruence(frame.mT(), *inverses));
    const double norm = residual.norm().item<double>();
    if (!(norm < norm_before) || norm < rounding) break;
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
  at::Tensor seen = at::empty(matrices.sizes(), matrices.options().dtype(at::kFloat));
  const at::Tensor rough = factor.to(at::kFloat);
  by_matrix(matrices, [&](std::int64_t begin, std::int64_t end) {
    const at::Tensor half = at::linalg_solve_triangular(factor, part_of(matrices, begin, end), /*upper=*/false);
    part_of(seen, begin, end).copy_(at::linalg_solve_triangular(rough, half.mT().to(at::kFloat), /*upper=*/false));
  });
  const std::optional<at::Tensor> frame = start_about_identity(seen, weights.to(at::kFloat));
  if (!frame) return mean;
  const at::Tensor root = factor.matmul(frame->to(mean.scalar_type()));
  return symmetrised(root.matmul(root.mT()));
}

}  // namespace noema
