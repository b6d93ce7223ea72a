#include "noema/glm/fixed_effects.h"

#include <fmt/format.h>

#include <algorithm>

#include "noema/core/error.h"

namespace noema {
namespace {

constexpr double kSmallestVariance = 1e-16;

void check(const std::vector<ContrastMaps>& runs) {
  if (runs.empty()) throw UsageError("fixed effects need the maps of at least one run; got none");
  for (const ContrastMaps& run : runs) {
    if (run.effect.size() == runs[0].effect.size() && run.variance.size() == run.effect.size()) continue;
    throw ShapeError(fmt::format("the maps of the runs have {} and {} voxels; fit all runs within one mask",
                                 runs[0].effect.size(), run.effect.size()));
  }
}

void combine_voxel(const std::vector<ContrastMaps>& runs, RunWeights weights, Eigen::Index v, ContrastMaps& result) {
  const auto n = static_cast<double>(runs.size());
  double sum = 0, precision = 0, variances = 0;
  for (const ContrastMaps& run : runs) {
    if (run.variance[v] == 0) return;
    const double weight = weights == RunWeights::equal ? 1 : 1 / std::max(run.variance[v], kSmallestVariance);
    sum += weight * run.effect[v];
    precision += weight;
    variances += run.variance[v];
  }
  result.effect[v] = sum / precision;
  result.variance[v] = weights == RunWeights::equal ? variances / (n * n) : 1 / precision;
}

}  // namespace

RunWeights parse_run_weights(std::string_view name) {
  for (const RunWeights weights : {RunWeights::equal, RunWeights::precision}) {
    if (name == run_weights_name(weights)) return weights;
  }
  throw UsageError(fmt::format("no weights of runs are called '{}'; there are 'equal' and 'precision'", name));
}

std::string_view run_weights_name(RunWeights weights) { return weights == RunWeights::equal ? "equal" : "precision"; }

ContrastMaps fixed_effects(const std::vector<ContrastMaps>& runs, RunWeights weights) {
  check(runs);
  const Eigen::Index voxels = runs[0].effect.size();
  ContrastMaps result{.effect = Eigen::VectorXd::Zero(voxels), .variance = Eigen::VectorXd::Zero(voxels)};
  for (const ContrastMaps& run : runs) result.df += run.df;
  for (Eigen::Index v = 0; v < voxels; ++v) combine_voxel(runs, weights, v, result);
  add_statistics(result);
  return result;
}

}  // namespace noema
