// Each constraint is a smooth map made of tensor operations; none differentiates eigenvectors.
#include "noema/connectomics/constraints.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/diag_embed.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/expm1.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log.h>
#include <ATen/ops/logdet.h>
#include <ATen/ops/logit.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/softplus.h>
#include <fmt/format.h>

#include <cmath>

#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"

namespace noema {
namespace {

void refuse(bool any, const char* message) {
  if (any) throw NumericalError(message);
}

/// The z whose softplus is `value` > 0, accurate for small and large ones.
at::Tensor inverse_softplus(const at::Tensor& value) { return value + at::log(-at::expm1(-value)); }

class Simplex : public Constraint {
 public:
  explicit Simplex(const SimplexOptions& options) : options_(options) {
    if (options.temperature && !(*options.temperature > 0)) {
      throw UsageError(fmt::format("simplex: found temperature {}, expected one above 0", *options.temperature));
    }
    if (!(options.minimum > 0)) {
      throw UsageError(fmt::format("simplex: found minimum {}, expected one above 0", options.minimum));
    }
  }
  at::Tensor apply(const at::Tensor& free) const override {
    require_dimensions(free, "simplex", 1, "(…, K, …)");
    return at::softmax(free / temperature(free), options_.axis);
  }
  at::Tensor invert(const at::Tensor& value) const override {
    require_dimensions(value, "simplex", 1, "(…, K, …)");
    const at::Tensor raised = value.detach().clamp_min(options_.minimum);
    return at::log(raised / raised.sum(options_.axis, true)) * temperature(value);
  }

 private:
  double temperature(const at::Tensor& like) const {
    return options_.temperature.value_or(std::sqrt(static_cast<double>(like.size(options_.axis))));
  }
  SimplexOptions options_;
};

class Sphere : public Constraint {
 public:
  explicit Sphere(const SphereOptions& options) : options_(options) {
    if (!(options.radius > 0) || !(options.norm >= 1)) {
      throw UsageError(
          fmt::format("sphere: found radius {} and norm {}, expected a radius above 0 and a norm from 1 on",
                      options.radius, options.norm));
    }
  }
  at::Tensor apply(const at::Tensor& free) const override {
    require_dimensions(free, "sphere", 1, "(…, K, …)");
    const at::Tensor norm = at::linalg_vector_norm(free, options_.norm, options_.axis, true);
    refuse((norm == 0).any().item<bool>(), "sphere: found a vector of zeros, expected one with a direction");
    return free * (options_.radius / norm);
  }
  at::Tensor invert(const at::Tensor& value) const override { return apply(value.detach()); }

 private:
  SphereOptions options_;
};

class Spd : public Constraint {
 public:
  explicit Spd(const SpdOptions& options) : options_(options) {
    if (!(options.floor >= 0) || (options.determinant && !(*options.determinant > 0))) {
      throw UsageError("positive definite: expected a floor from 0 on and a determinant above 0");
    }
  }
  at::Tensor apply(const at::Tensor& free) const override {
    require_square(free, "positive definite");
    const at::Tensor diagonal = at::softplus(free.diagonal(0, -2, -1));
    const at::Tensor lower = free.tril(-1) + at::diag_embed(diagonal);
    const at::Tensor matrix = lower.matmul(lower.mT()) + options_.floor * identity(free);
    if (!options_.determinant) return matrix;
    const at::Tensor log_scale = (std::log(*options_.determinant) - at::logdet(matrix)) / free.size(-1);
    return matrix * at::exp(log_scale).unsqueeze(-1).unsqueeze(-1);
  }
  at::Tensor invert(const at::Tensor& value) const override {
    require_square(value, "positive definite");
    const auto [lower, failed] = at::linalg_cholesky_ex(value.detach() - options_.floor * identity(value));
    refuse((failed != 0).any().item<bool>(),
           "positive definite: found a matrix with an eigenvalue at or below the floor, expected all above");
    return lower.tril(-1) + at::diag_embed(inverse_softplus(lower.diagonal(0, -2, -1)));
  }

 private:
  static at::Tensor identity(const at::Tensor& like) { return at::eye(like.size(-1), like.options()); }
  SpdOptions options_;
};

class Orthogonal : public Constraint {
 public:
  at::Tensor apply(const at::Tensor& free) const override {
    require_dimensions(free, "orthogonal", 2, "(…, N, K)");
    if (free.size(-2) < free.size(-1) || free.size(-1) == 0) {
      throw ShapeError(
          fmt::format("orthogonal: found shape {}, expected (…, N, K) with N ≥ K ≥ 1", shape_text(free.sizes())));
    }
    const auto [q, r] = at::linalg_qr(free, "reduced");
    const at::Tensor diagonal = r.detach().diagonal(0, -2, -1);
    const double tiny = free.scalar_type() == at::kFloat ? 1e-6 : 1e-13;
    const at::Tensor magnitude = diagonal.abs();
    refuse((magnitude <= tiny * magnitude.amax(-1, true)).any().item<bool>(),
           "orthogonal: found columns that depend on one another, expected a matrix of full column rank");
    return q * diagonal.sign().unsqueeze(-2);
  }
  at::Tensor invert(const at::Tensor& value) const override { return apply(value.detach()); }
};

class Bounded : public Constraint {
 public:
  Bounded(double lower, double upper) : lower_(lower), range_(upper - lower) {
    if (!(range_ > 0) || !std::isfinite(range_)) {
      throw UsageError(
          fmt::format("bounded: found {} to {}, expected a finite lower bound below a finite upper one", lower, upper));
    }
  }
  at::Tensor apply(const at::Tensor& free) const override {
    require_dimensions(free, "bounded", 0, "float numbers");
    return lower_ + range_ * at::sigmoid(free);
  }
  at::Tensor invert(const at::Tensor& value) const override {
    require_dimensions(value, "bounded", 0, "float numbers");
    return at::logit((value.detach() - lower_) / range_, 1e-4);
  }

 private:
  double lower_, range_;
};

class Positive : public Constraint {
 public:
  explicit Positive(double floor) : floor_(floor) {
    if (!std::isfinite(floor)) throw UsageError("positive: expected a finite floor");
  }
  at::Tensor apply(const at::Tensor& free) const override {
    require_dimensions(free, "positive", 0, "float numbers");
    return floor_ + at::softplus(free);
  }
  at::Tensor invert(const at::Tensor& value) const override {
    require_dimensions(value, "positive", 0, "float numbers");
    return inverse_softplus((value.detach() - floor_).clamp_min(1e-6));
  }

 private:
  double floor_;
};

}  // namespace

std::unique_ptr<Constraint> simplex_constraint(const SimplexOptions& options) {
  return std::make_unique<Simplex>(options);
}
std::unique_ptr<Constraint> sphere_constraint(const SphereOptions& options) {
  return std::make_unique<Sphere>(options);
}
std::unique_ptr<Constraint> spd_constraint(const SpdOptions& options) { return std::make_unique<Spd>(options); }
std::unique_ptr<Constraint> orthogonal_constraint() { return std::make_unique<Orthogonal>(); }
std::unique_ptr<Constraint> bounded_constraint(double lower, double upper) {
  return std::make_unique<Bounded>(lower, upper);
}
std::unique_ptr<Constraint> positive_constraint(double floor) { return std::make_unique<Positive>(floor); }

}  // namespace noema
