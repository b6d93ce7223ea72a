// The graphical lasso: block coordinate descent in plain double precision, gradient by the implicit function theorem.
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_inv.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "noema/connectomics/precision.h"
#include "noema/connectomics/shapes.h"
#include "noema/connectomics/spectral.h"
#include "noema/core/cancel.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The largest violation of W_ij = S_ij + α sign Ω_ij on the support, |W_ij − S_ij| ≤ α outside of it, W_ii = S_ii.
double violation(const Matrix& s, const Matrix& omega, double alpha) {
  const Eigen::LLT<Matrix> factor(omega);
  if (factor.info() != Eigen::Success) return std::numeric_limits<double>::infinity();
  const Matrix w = factor.solve(Matrix::Identity(s.rows(), s.cols()));
  double worst = 0;
  for (Eigen::Index i = 0; i < s.rows(); ++i) {
    for (Eigen::Index j = 0; j < s.cols(); ++j) {
      const double gap = w(i, j) - s(i, j);
      if (i == j) {
        worst = std::max(worst, std::abs(gap));
      } else if (omega(i, j) != 0) {
        worst = std::max(worst, std::abs(gap - std::copysign(alpha, omega(i, j))));
      } else {
        worst = std::max(worst, std::abs(gap) - alpha);
      }
    }
  }
  return worst;
}

/// One lasso of column j: ½ βᵀ W₁₁ β − s₁₂ᵀ β + α |β|₁, by coordinate descent from `beta`; entry j stays zero.
/// `product` is W₁₁ β and kept up to date.
void column_lasso(const Matrix& w, const Matrix& s, double alpha, Eigen::Index j, double goal, Eigen::VectorXd& beta,
                  Eigen::VectorXd& product) {
  product.noalias() = w * beta;
  for (int pass = 0; pass < 1000; ++pass) {
    double largest = 0;
    for (Eigen::Index k = 0; k < s.rows(); ++k) {
      if (k == j) continue;
      const double pull = s(k, j) - product(k) + w(k, k) * beta(k);
      const double next = std::copysign(std::max(std::abs(pull) - alpha, 0.0), pull) / w(k, k);
      const double change = next - beta(k);
      if (change == 0) continue;
      beta(k) = next;
      product.noalias() += change * w.row(k).transpose();
      largest = std::max(largest, std::abs(change) * w(k, k));
    }
    if (largest <= goal) return;
  }
}

Matrix solve(const Matrix& s, double alpha, const GraphicalLassoOptions& options) {
  const Eigen::Index n = s.rows();
  const double scale = s.diagonal().maxCoeff(), goal = options.tolerance * scale;
  if (!s.allFinite() || !(s.diagonal().minCoeff() > 0)) {
    throw NumericalError(
        fmt::format("graphical lasso: found a smallest variance of {:.4g}, expected finite numbers and "
                    "variances above 0; leave constant channels out",
                    s.diagonal().minCoeff()));
  }
  // Shrunk off the diagonal, so that the start is positive definite for singular S too.
  Matrix w = 0.95 * s, omega(n, n);
  w.diagonal() = s.diagonal();
  Matrix betas = Matrix::Zero(n, n);
  Eigen::VectorXd beta(n), product(n);
  double worst = 0;
  for (int sweep = 0; sweep < options.max_sweeps; ++sweep) {
    check_cancelled();
    for (Eigen::Index j = 0; j < n; ++j) {
      beta = betas.row(j).transpose();
      column_lasso(w, s, alpha, j, goal * 1e-2, beta, product);
      const double variance = s(j, j) - product.dot(beta);
      for (Eigen::Index k = 0; k < n; ++k) {
        if (k != j) w(j, k) = w(k, j) = product(k);
      }
      betas.row(j) = beta.transpose();
      omega.row(j) = -beta.transpose() / variance;
      omega(j, j) = 1 / variance;
    }
    // Each column was solved with the others' latest values; at the solution both copies of an entry agree.
    Matrix symmetric = 0.5 * (omega + omega.transpose());
    for (Eigen::Index i = 0; i < n; ++i) {
      for (Eigen::Index j = 0; j < n; ++j) {
        if (omega(i, j) == 0 || omega(j, i) == 0) symmetric(i, j) = 0;
      }
    }
    worst = violation(s, symmetric, alpha);
    if (worst <= goal) return symmetric;
  }
  throw NumericalError(
      fmt::format("graphical lasso: found a violation of {:.3g} after {} sweeps, expected at most {:.3g}; "
                  "a larger penalty or more sweeps help",
                  worst, options.max_sweeps, goal));
}

/// Z on the support with (W Z W) = G there, by preconditioned conjugate gradients over a batch (B, C, C).
at::Tensor solve_on_support(const at::Tensor& w, const at::Tensor& support, const at::Tensor& g) {
  const auto dot = [](const at::Tensor& a, const at::Tensor& b) { return (a * b).sum({-2, -1}, true); };
  const at::Tensor variance = w.diagonal(0, -2, -1);
  const at::Tensor preconditioner = (variance.unsqueeze(-1) * variance.unsqueeze(-2)).reciprocal();
  at::Tensor z = at::zeros_like(g), residual = g * support;
  at::Tensor scaled = residual * preconditioner, direction = scaled, product = dot(residual, scaled);
  const at::Tensor goal = product * 1e-26;  // each matrix its own
  const std::int64_t limit = 10 * w.size(-1) * w.size(-1) + 100;
  for (std::int64_t i = 0; i < limit && (product > goal).any().item<bool>(); ++i) {
    const at::Tensor image = congruence(w, direction) * support;
    const at::Tensor energy = dot(direction, image);
    const at::Tensor step = at::where(energy > 0, product / energy, at::zeros_like(energy));
    z = z + step * direction;
    residual = residual - step * image;
    scaled = residual * preconditioner;
    const at::Tensor next = dot(residual, scaled);
    direction = scaled + at::where(product > 0, next / product, at::zeros_like(next)) * direction;
    product = next;
  }
  return z;
}

class GraphicalLasso : public torch::autograd::Function<GraphicalLasso> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& covariance, const at::Tensor& penalty,
                            double tolerance, std::int64_t max_sweeps) {
    const at::Tensor s = covariance.contiguous(), alpha = penalty.contiguous();
    at::Tensor result = at::empty_like(s);
    const Eigen::Index n = s.size(-1);
    GraphicalLassoOptions options{tolerance, static_cast<int>(max_sweeps)};
    for (std::int64_t b = 0; b < s.size(0); ++b) {
      const Eigen::Map<const Matrix> one(s.const_data_ptr<double>() + b * n * n, n, n);
      Eigen::Map<Matrix>(result.mutable_data_ptr<double>() + b * n * n, n, n) =
          solve(one, alpha.const_data_ptr<double>()[b], options);
    }
    context->save_for_backward({result});
    return result;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    require_first_order("graphical lasso");
    const at::Tensor omega = context->get_saved_variables()[0];
    const at::Tensor z = solve_on_support(symmetrised(at::linalg_inv(omega)), (omega != 0).to(omega.scalar_type()),
                                          symmetrised(gradients[0]));
    // α stands in the conditions off the diagonal alone.
    const at::Tensor signs = omega.sign() - omega.diagonal(0, -2, -1).sign().diag_embed();
    return {-z, -(z * signs).sum({-2, -1}), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor graphical_lasso(const at::Tensor& covariance, const at::Tensor& penalty,
                           const GraphicalLassoOptions& options) {
  require_square(covariance, "covariance");
  const at::IntArrayRef batch = covariance.sizes().slice(0, static_cast<std::size_t>(covariance.dim() - 2));
  require_dimensions(penalty, "penalty", 0, "a scalar or one each");
  if (!(penalty.min().item<double>() > 0)) {
    throw UsageError(fmt::format("penalty: found {}, expected it positive", penalty.min().item<double>()));
  }
  const std::int64_t n = covariance.size(-1);
  const at::Tensor s = symmetrised(covariance).to(at::kCPU, at::kDouble).reshape({-1, n, n});
  const at::Tensor alpha = penalty.to(at::kCPU, at::kDouble).expand(batch).reshape({-1});
  return GraphicalLasso::apply(s, alpha, options.tolerance, static_cast<std::int64_t>(options.max_sweeps))
      .reshape(covariance.sizes())
      .to(covariance.options().requires_grad(false));
}

}  // namespace noema
