#include "noema/glm/contrast.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/glm/tails.h"

namespace noema {
namespace {

constexpr double kSmallestVariance = 1e-50;
constexpr std::int64_t kGrain = 1024;  // voxels
constexpr double kEstimableTolerance = 1e-8;

std::string weighted_columns(const GlmFit& fit, const Eigen::VectorXd& weights) {
  std::string names;
  for (std::size_t c = 0; c < fit.names.size(); ++c) {
    if (weights[static_cast<Eigen::Index>(c)] == 0) continue;
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", fit.names[c]);
  }
  return names;
}

void check(const GlmFit& fit, const Eigen::VectorXd& weights) {
  if (weights.size() != std::ssize(fit.names)) {
    throw ShapeError(fmt::format("the contrast has {} weights, the design {} columns: {}", weights.size(),
                                 fit.names.size(), fmt::join(fit.names, ", ")));
  }
  if (!weights.allFinite() || weights.isZero(0)) {
    throw UsageError("a contrast needs finite weights of which one at least is not 0");
  }
  if (!is_estimable(fit, weights)) {
    throw DataError(
        fmt::format("the design cannot estimate the contrast of {}: columns depend on one another ({} columns, {} "
                    "independent); leave some out or ask for a contrast of what differs",
                    weighted_columns(fit, weights), fit.names.size(), fit.rank));
  }
}

template <class Tail>
Eigen::VectorXd tail_of_each(const ContrastMaps& maps, Tail tail) {
  Eigen::VectorXd p(maps.stat.size());
  parallel_for(p.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t v = begin; v < end; ++v) p[v] = tail(maps.stat[v], maps.df);
  });
  return p;
}

}  // namespace

bool is_estimable(const GlmFit& fit, const Eigen::VectorXd& weights) {
  const Eigen::RowVectorXd told = weights.transpose() * fit.estimable;
  return (told - weights.transpose()).norm() <= kEstimableTolerance * weights.norm();
}

void add_statistics(ContrastMaps& maps) {
  maps.stat.resize(maps.effect.size());
  maps.z.resize(maps.effect.size());
  parallel_for(maps.effect.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t v = begin; v < end; ++v) {
      const double variance = maps.variance[v];
      maps.stat[v] = variance == 0 ? 0 : maps.effect[v] / std::sqrt(std::max(variance, kSmallestVariance));
      maps.z[v] = t_to_z(maps.stat[v], maps.df);
    }
  });
}

ContrastMaps t_contrast(const GlmFit& fit, const Eigen::VectorXd& weights) {
  check(fit, weights);
  ContrastMaps maps{.df = fit.df};
  maps.effect = fit.coefficients.transpose() * weights;
  std::vector<double> scale_of_group;
  for (const NoiseGroup& group : fit.groups) scale_of_group.push_back(weights.dot(group.covariance * weights));
  maps.variance.resize(fit.voxels());
  for (Eigen::Index v = 0; v < fit.voxels(); ++v) {
    const auto group = static_cast<std::size_t>(fit.group_of_voxel[static_cast<std::size_t>(v)]);
    maps.variance[v] = scale_of_group[group] * fit.dispersion[v];
  }
  add_statistics(maps);
  return maps;
}

ContrastMaps t_contrast(const GlmFit& fit, std::string_view formula) {
  return t_contrast(fit, parse_contrast(formula, fit.names));
}

Eigen::VectorXd one_sided_p(const ContrastMaps& maps) { return tail_of_each(maps, t_upper_tail); }
Eigen::VectorXd two_sided_p(const ContrastMaps& maps) { return tail_of_each(maps, t_two_sided_p); }

}  // namespace noema
