#include "noema/glm/fixed_effects.h"

#include <fmt/format.h>

#include <Eigen/LU>
#include <algorithm>

#include "noema/core/error.h"
#include "noema/core/parallel.h"

namespace noema {
namespace {

constexpr double kSmallestVariance = 1e-16;
constexpr std::int64_t kGrain = 1024;  // voxels

void check(const std::vector<JointEffects>& runs) {
  if (runs.empty()) throw UsageError("fixed effects need the maps of at least one run; got none");
  for (const JointEffects& run : runs) {
    const Eigen::Index rows = runs[0].rows();
    if (run.voxels() == runs[0].voxels() && run.rows() == rows && run.covariances.cols() == run.voxels() &&
        run.covariances.rows() == rows * (rows + 1) / 2) {
      continue;
    }
    throw ShapeError(fmt::format(
        "the maps of the runs have {} and {} voxels, {} and {} rows; fit all runs within one mask, with one contrast",
        runs[0].voxels(), run.voxels(), rows, run.rows()));
  }
}

/// (q, q) of one voxel; of one row held away from 0.
Eigen::MatrixXd covariance_at(const JointEffects& run, Eigen::Index v) {
  const Eigen::Index rows = run.rows();
  Eigen::MatrixXd covariance(rows, rows);
  Eigen::Index place = 0;
  for (Eigen::Index i = 0; i < rows; ++i) {
    for (Eigen::Index j = 0; j <= i; ++j) covariance(i, j) = covariance(j, i) = run.covariances(place++, v);
  }
  if (rows == 1) covariance(0, 0) = std::max(covariance(0, 0), kSmallestVariance);
  return covariance;
}

void combine_equally(const std::vector<JointEffects>& runs, Eigen::Index v, JointEffects& result) {
  const auto n = static_cast<double>(runs.size());
  for (const JointEffects& run : runs) {
    result.effects.col(v) += run.effects.col(v) / n;
    result.covariances.col(v) += run.covariances.col(v) / (n * n);
  }
}

void combine_by_precision(const std::vector<JointEffects>& runs, Eigen::Index v, JointEffects& result) {
  const Eigen::Index rows = result.rows();
  Eigen::MatrixXd precision = Eigen::MatrixXd::Zero(rows, rows);
  Eigen::VectorXd weighted = Eigen::VectorXd::Zero(rows);
  for (const JointEffects& run : runs) {
    const Eigen::MatrixXd own = covariance_at(run, v).inverse();
    precision += own;
    weighted += own * run.effects.col(v);
  }
  const Eigen::MatrixXd covariance = precision.inverse();
  result.effects.col(v) = covariance * weighted;
  Eigen::Index place = 0;
  for (Eigen::Index i = 0; i < rows; ++i) {
    for (Eigen::Index j = 0; j <= i; ++j) result.covariances(place++, v) = covariance(i, j);
  }
}

bool is_known_in_all(const std::vector<JointEffects>& runs, Eigen::Index v) {
  return std::none_of(runs.begin(), runs.end(), [&](const JointEffects& run) { return run.covariances(0, v) == 0; });
}

}  // namespace

RunWeights parse_run_weights(std::string_view name) {
  for (const RunWeights weights : {RunWeights::equal, RunWeights::precision}) {
    if (name == run_weights_name(weights)) return weights;
  }
  throw UsageError(fmt::format("no weights of runs are called '{}'; there are 'equal' and 'precision'", name));
}

std::string_view run_weights_name(RunWeights weights) { return weights == RunWeights::equal ? "equal" : "precision"; }

JointEffects fixed_effects(const std::vector<JointEffects>& runs, RunWeights weights) {
  check(runs);
  JointEffects result{MatrixD::Zero(runs[0].rows(), runs[0].voxels()),
                      MatrixD::Zero(runs[0].covariances.rows(), runs[0].voxels())};
  for (const JointEffects& run : runs) result.df += run.df;
  parallel_for(result.voxels(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t v = begin; v < end; ++v) {
      if (!is_known_in_all(runs, v)) continue;
      weights == RunWeights::equal ? combine_equally(runs, v, result) : combine_by_precision(runs, v, result);
    }
  });
  return result;
}

ContrastMaps fixed_effects(const std::vector<ContrastMaps>& runs, RunWeights weights) {
  std::vector<JointEffects> joint;
  for (const ContrastMaps& run : runs) {
    if (run.is_f()) throw UsageError("maps of F contrasts cannot be combined over runs; combine their joint effects");
    joint.push_back({run.effect.transpose(), run.variance.transpose(), run.df});
  }
  return t_maps(fixed_effects(joint, weights));
}

}  // namespace noema
