#include "noema/connectomics/connectivity.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <utility>

#include "noema/connectomics/covariance.h"
#include "noema/connectomics/precision.h"
#include "noema/connectomics/shapes.h"
#include "noema/connectomics/unit_series.h"
#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/learn/torch_settings.h"

namespace noema {
namespace {

template <class Value, std::size_t N>
using Names = std::array<std::pair<Value, const char*>, N>;

constexpr Names<ConnectivityKind, 5> kKinds{{{ConnectivityKind::correlation, "correlation"},
                                             {ConnectivityKind::covariance, "covariance"},
                                             {ConnectivityKind::partial_correlation, "partial-correlation"},
                                             {ConnectivityKind::precision, "precision"},
                                             {ConnectivityKind::tangent, "tangent"}}};
constexpr Names<CovarianceEstimator, 3> kEstimators{{{CovarianceEstimator::empirical, "empirical"},
                                                     {CovarianceEstimator::ledoit_wolf, "ledoit-wolf"},
                                                     {CovarianceEstimator::oracle, "oas"}}};

template <class Value, std::size_t N>
Value value_of(const Names<Value, N>& names, std::string_view word, const char* what) {
  std::vector<std::string> known;
  for (const auto& [value, name] : names) {
    if (word == name) return value;
    known.emplace_back(name);
  }
  throw UsageError(fmt::format("{}: found '{}', expected one of {}", what, word, fmt::join(known, ", ")));
}

template <class Value, std::size_t N>
std::string name_of(const Names<Value, N>& names, Value wanted) {
  for (const auto& [value, name] : names) {
    if (value == wanted) return name;
  }
  return {};
}

/// Mean 0 and standard deviation (n − 1) 1; a constant series becomes zeros, with gradient 0.
at::Tensor standardised(const at::Tensor& series) {
  return unit_series(series) * std::sqrt(static_cast<double>(series.size(-1) - 1));
}

bool needs_full_rank(ConnectivityKind kind) {
  return kind != ConnectivityKind::correlation && kind != ConnectivityKind::covariance;
}

}  // namespace

ConnectivityKind connectivity_kind(std::string_view name) { return value_of(kKinds, name, "kind of connectivity"); }
std::string to_string(ConnectivityKind kind) { return name_of(kKinds, kind); }

std::vector<std::string> connectivity_kind_names() {
  std::vector<std::string> names;
  for (const auto& [kind, name] : kKinds) names.emplace_back(name);
  return names;
}

CovarianceEstimator covariance_estimator(std::string_view name) {
  return value_of(kEstimators, name, "estimator of covariances");
}
std::string to_string(CovarianceEstimator estimator) { return name_of(kEstimators, estimator); }

at::Tensor estimate_covariance(const at::Tensor& series, CovarianceEstimator estimator) {
  require_dimensions(series, "series", 2, "(C, T)");
  if (series.size(-1) < 2) {
    throw DataError(fmt::format("connectivity: found {} kept frames, expected two or more", series.size(-1)));
  }
  switch (estimator) {
    case CovarianceEstimator::empirical:
      return covariance(series, {.ddof = 0});
    case CovarianceEstimator::ledoit_wolf:
      return ledoit_wolf(series).covariance;
    case CovarianceEstimator::oracle:
      return oracle_shrinkage(series).covariance;
  }
  throw UsageError("connectivity: unknown estimator");
}

at::Tensor run_connectivity(const at::Tensor& series, ConnectivityKind kind, CovarianceEstimator estimator) {
  require_dimensions(series, "series", 2, "(C, T)");
  if (estimator == CovarianceEstimator::empirical && needs_full_rank(kind) && series.size(-1) <= series.size(-2)) {
    throw DataError(
        fmt::format("{}: found {} kept frames of {} regions, expected more frames than regions: take fewer regions or "
                    "a shrinkage estimate (ledoit-wolf, oas)",
                    to_string(kind), series.size(-1), series.size(-2)));
  }
  const bool standardise = kind == ConnectivityKind::correlation;
  if (standardise && series.size(-1) < 2) {
    throw DataError(fmt::format("connectivity: found {} kept frames, expected two or more", series.size(-1)));
  }
  const at::Tensor estimate = estimate_covariance(standardise ? standardised(series) : series, estimator);
  switch (kind) {
    case ConnectivityKind::correlation:
      return correlation_from_covariance(estimate);
    case ConnectivityKind::partial_correlation:
      return partial_correlation(precision(estimate));
    case ConnectivityKind::precision:
      return precision(estimate);
    case ConnectivityKind::covariance:
    case ConnectivityKind::tangent:
      break;
  }
  return estimate;
}

GroupConnectivity measure_connectivity(const std::vector<at::Tensor>& series, const at::Tensor& weights,
                                       const ConnectivityOptions& options) {
  if (series.empty()) throw DataError("connectivity: found no runs, expected at least one");
  const bool tangent = options.kind == ConnectivityKind::tangent;
  if (tangent && series.size() < 2) {
    throw DataError("tangent: found one run, expected two or more: it tells how runs differ from their mean");
  }
  for (const at::Tensor& run : series) require_size(run, "series", -2, series.front().size(-2));
  std::vector<at::Tensor> matrices(series.size());
  const bool recorded = at::GradMode::is_enabled();
  parallel_tasks(static_cast<std::int64_t>(series.size()), [&](std::int64_t i) {
    check_cancelled();
    const OneTorchThread one;
    const at::AutoGradMode mode(recorded);
    const auto run = static_cast<std::size_t>(i);
    matrices[run] = run_connectivity(series[run], options.kind, options.estimator);
  });
  GroupConnectivity result;
  {
    const OneTorchThread one;  // LibTorch's own would still wait for work while the tangents need the cores
    result.matrices = at::stack(matrices);
  }
  const auto count = static_cast<std::int64_t>(series.size());
  const at::Tensor shares =
      weights.defined() ? weights.to(result.matrices.options()) : at::full({count}, 1.0, result.matrices.options());
  require_size(shares, "weights of runs", 0, count);
  SpdMeanOptions mean;
  mean.weights = shares;
  mean.published = options.published;
  mean.tolerance = result.matrices.scalar_type() == at::kDouble ? 5e-9 : 0;
  if (!tangent) {
    result.group = spd_mean(result.matrices, SpdMean::euclidean, mean);
    return result;
  }
  const TangentSpace space = tangent_space(result.matrices, options.reference, mean);
  result.group = space.mean;
  result.matrices = space.tangents;
  return result;
}

}  // namespace noema
