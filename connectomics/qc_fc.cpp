// Correlations over subjects, their significance, and their dependence on distance.
#include "noema/connectomics/qc_fc.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_unique2.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/quantile.h>
#include <ATen/ops/relu.h>
#include <fmt/format.h>

#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>
#include <numbers>

#include "noema/connectomics/regression.h"
#include "noema/connectomics/shapes.h"
#include "noema/connectomics/unit_series.h"
#include "noema/core/error.h"

namespace noema {
namespace {

double degrees(std::int64_t subjects, std::int64_t covariates) {
  if (subjects - 2 - covariates < 1) {
    throw DataError(fmt::format("QC-FC: found {} subjects and {} covariates, expected at least {} subjects", subjects,
                                covariates, covariates + 3));
  }
  return static_cast<double>(subjects - 2 - covariates);
}

void require_alpha(double alpha) {
  if (!(alpha > 0 && alpha < 1)) throw UsageError(fmt::format("QC-FC: found level {}, expected 0 to 1", alpha));
}

/// Ranks with ties at their mean.
at::Tensor mean_ranks(const at::Tensor& values) {
  const auto [sorted, inverse, counts] = at::_unique2(values, true, true, true);
  const at::Tensor last = counts.cumsum(0).to(at::kDouble);
  const at::Tensor mean = last - (counts.to(at::kDouble) - 1) / 2;
  return mean.index_select(0, inverse);
}

}  // namespace

at::Tensor qc_fc(const at::Tensor& connectivity, const at::Tensor& quality, const at::Tensor& covariates) {
  require_dimensions(connectivity, "connectivity", 2, "(N, …)");
  require_dimensions(quality, "quality", 1, "(N) or (Q, N)");
  const std::int64_t subjects = connectivity.size(0);
  require_size(quality, "quality", -1, subjects);
  const std::int64_t used = covariates.defined() ? covariates.size(0) : 0;
  degrees(subjects, used);
  at::Tensor edges = connectivity.reshape({subjects, -1}).t();
  at::Tensor measures = quality.reshape({-1, subjects}).to(edges.scalar_type());
  if (used > 0) {
    require_size(covariates, "covariates", -1, subjects);
    edges = regress_out(edges, covariates);
    measures = regress_out(measures, covariates);
  }
  return unit_series(measures).matmul(unit_series(edges).t());
}

double correlation_tolerance(std::int64_t subjects, double alpha, int tails, std::int64_t covariates) {
  require_alpha(alpha);
  if (tails != 1 && tails != 2) throw UsageError(fmt::format("QC-FC: found {} tails, expected 1 or 2", tails));
  const double freedom = degrees(subjects, covariates);
  const double t = boost::math::quantile(boost::math::complement(boost::math::students_t(freedom), alpha / tails));
  return t / std::sqrt(freedom + t * t);
}

double chance_of_qc_fc(std::int64_t subjects, double tolerance) {
  const double power = degrees(subjects, 0) - 1;
  if (!(tolerance >= 0 && tolerance < 1)) {
    throw UsageError(fmt::format("QC-FC: found tolerance {}, expected 0 to below 1", tolerance));
  }
  // r = sin a has the density cos^(N − 3) a: smooth, also for three subjects. Simpson's rule.
  constexpr int kSteps = 2000;
  const auto integral = [&](double from, const auto& function) {
    const double step = (std::numbers::pi / 2 - from) / kSteps;
    double sum = 0;
    for (int i = 0; i <= kSteps; ++i) {
      const double weight = i == 0 || i == kSteps ? 1 : i % 2 == 1 ? 4 : 2;
      const double angle = from + step * i;
      sum += weight * function(std::sin(angle)) * std::pow(std::max(0.0, std::cos(angle)), power);
    }
    return sum * step / 3;
  };
  const double total = integral(0, [](double) { return 1.0; });
  return integral(std::asin(tolerance), [&](double r) { return (r - tolerance) * (r - tolerance); }) / total;
}

at::Tensor beyond_tolerance(const at::Tensor& correlations, double tolerance) {
  return at::relu(correlations.abs() - tolerance);
}

at::Tensor correlation_p_values(const at::Tensor& correlations, std::int64_t subjects, std::int64_t covariates) {
  const double freedom = degrees(subjects, covariates);
  const boost::math::students_t student(freedom);
  const at::Tensor p = correlations.detach().to(at::kCPU, at::kDouble).contiguous().clone();
  double* values = p.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < p.numel(); ++i) {
    const double r = std::abs(values[i]);
    if (std::isnan(r)) continue;
    const double t = r < 1 ? r * std::sqrt(freedom / ((1 - r) * (1 + r))) : std::numeric_limits<double>::infinity();
    values[i] = r < 1 ? 2 * boost::math::cdf(boost::math::complement(student, t)) : 0;
  }
  return p;
}

at::Tensor adjusted_p_values(const at::Tensor& p) {
  const at::Tensor values = p.detach().to(at::kCPU, at::kDouble);
  const std::int64_t count = values.size(-1);
  const auto [sorted, order] = values.sort(-1, /*descending=*/true);
  const at::Tensor rank = at::arange(count, 0, -1, at::kDouble);
  const at::Tensor raised = std::get<0>((sorted * static_cast<double>(count) / rank).cummin(-1)).clamp_max(1);
  return at::empty_like(values).scatter_(-1, order, raised);
}

QcFcSummary summarise_qc_fc(const at::Tensor& correlations, std::int64_t subjects, const at::Tensor& distance_mm,
                            double alpha, std::int64_t covariates) {
  require_alpha(alpha);
  require_dimensions(correlations, "QC-FC", 1, "(E)");
  if (correlations.dim() != 1 || correlations.numel() == 0) {
    throw ShapeError(fmt::format("QC-FC: found shape {}, expected (E) with E ≥ 1", shape_text(correlations.sizes())));
  }
  const at::Tensor r = correlations.detach().to(at::kCPU, at::kDouble);
  const at::Tensor p = correlation_p_values(r, subjects, covariates);
  const auto share = [&](const at::Tensor& values) { return (values < alpha).to(at::kDouble).mean().item<double>(); };
  QcFcSummary summary{at::quantile(r.abs(), 0.5).item<double>(), share(p), share(adjusted_p_values(p)), {}};
  if (distance_mm.defined()) {
    require_size(distance_mm, "distances", -1, r.numel());
    const at::Tensor distance = mean_ranks(distance_mm.detach().to(at::kCPU, at::kDouble));
    summary.distance_dependence = distance_dependence(mean_ranks(r).unsqueeze(0), distance).item<double>();
  }
  return summary;
}

at::Tensor distance_dependence(const at::Tensor& correlations, const at::Tensor& distance_mm) {
  require_dimensions(correlations, "QC-FC", 2, "(Q, E)");
  require_dimensions(distance_mm, "distances", 1, "(E)");
  require_size(distance_mm, "distances", -1, correlations.size(-1));
  return unit_series(correlations).matmul(unit_series(distance_mm.to(correlations.scalar_type())));
}

}  // namespace noema
