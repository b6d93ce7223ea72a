#include "noema/glm/contrast.h"

#include <fmt/format.h>

#include <Eigen/QR>
#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/parallel.h"
#include "noema/glm/noise_geometry.h"
#include "noema/glm/tails.h"

namespace noema {
namespace {

constexpr double kSmallestVariance = 1e-50;
constexpr std::int64_t kGrain = 1024;  // voxels
constexpr double kEstimableTolerance = 1e-8;
constexpr double kDependentTolerance = 1e-6;

std::string named_columns(const GlmFit& fit, const Eigen::VectorXd& weights, double above) {
  std::string names;
  for (std::size_t c = 0; c < fit.names.size(); ++c) {
    if (std::abs(weights[static_cast<Eigen::Index>(c)]) <= above) continue;
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", fit.names[c]);
  }
  return names;
}

/// What of the weights every design's solution leaves open.
Eigen::VectorXd untold(const GlmFit& fit, const Eigen::VectorXd& weights) {
  return weights - fit.estimable.transpose() * weights;
}

/// One weight for each column, those that are missing 0.
Eigen::MatrixXd completed(const GlmFit& fit, const Eigen::MatrixXd& rows) {
  const auto columns = std::ssize(fit.names);
  if (rows.cols() > columns || rows.cols() == 0 || rows.rows() == 0) {
    throw ShapeError(fmt::format("the contrast has {} × {} weights, the design {} columns: {}", rows.rows(),
                                 rows.cols(), columns, fmt::join(fit.names, ", ")));
  }
  Eigen::MatrixXd complete = Eigen::MatrixXd::Zero(rows.rows(), columns);
  complete.leftCols(rows.cols()) = rows;
  if (rows.cols() < columns) {
    log_warning(fmt::format("a contrast has {} weights for {} columns; those that are missing count as 0", rows.cols(),
                            columns));
  }
  return complete;
}

void check(const GlmFit& fit, const Eigen::VectorXd& weights) {
  if (!weights.allFinite() || weights.isZero(0)) {
    throw UsageError("a contrast needs finite weights of which one at least is not 0");
  }
  if (is_estimable(fit, weights)) return;
  throw DataError(fmt::format(
      "the design cannot estimate the contrast of {}: the columns {} depend on one another ({} columns, {} "
      "independent); leave some out or ask for a contrast of what differs",
      named_columns(fit, weights, 0), named_columns(fit, untold(fit, weights), kDependentTolerance * weights.norm()),
      fit.names.size(), fit.rank));
}

Eigen::MatrixXd checked(const GlmFit& fit, const Eigen::MatrixXd& rows) {
  Eigen::MatrixXd complete = completed(fit, rows);
  for (Eigen::Index row = 0; row < complete.rows(); ++row) check(fit, complete.row(row));
  return complete;
}

template <class Tail>
Eigen::VectorXd p_of_each(const ContrastMaps& maps, Tail tail) {
  Eigen::VectorXd p(maps.stat.size());
  parallel_for(p.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t v = begin; v < end; ++v) p[v] = tail(maps.stat[v]);
  });
  return p;
}

}  // namespace

bool is_estimable(const GlmFit& fit, const Eigen::VectorXd& weights) {
  return untold(fit, weights).norm() <= kEstimableTolerance * weights.norm();
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

std::vector<JointEffects> joint_effects(const GlmFit& fit, std::span<const Eigen::MatrixXd> questions) {
  std::vector<JointEffects> answers;
  for (const Eigen::MatrixXd& question : questions) {
    const Eigen::Index rows = question.rows();
    answers.push_back({question * fit.coefficients, MatrixD(rows * (rows + 1) / 2, fit.voxels()), fit.df});
  }
  std::vector<Eigen::MatrixXd> of_basis;
  for (const Eigen::MatrixXd& question : questions) {
    of_basis.emplace_back((question * fit.geometry->weights()).transpose());
  }
  parallel_for(fit.voxels(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    MatrixD triangles =
        fit.geometry->whitening().covariances(fit.autoregression.middleCols(begin, end - begin), of_basis);
    triangles.array().rowwise() *= fit.dispersion.segment(begin, end - begin).transpose().array();
    Eigen::Index from = 0;
    for (JointEffects& answer : answers) {
      answer.covariances.middleCols(begin, end - begin) = triangles.middleRows(from, answer.covariances.rows());
      from += answer.covariances.rows();
    }
  });
  return answers;
}

ContrastMaps t_maps(const JointEffects& joint) {
  if (joint.rows() != 1) {
    throw ShapeError(fmt::format("a t contrast has one row; got {}: ask for F", joint.rows()));
  }
  ContrastMaps maps{.effect = joint.effects.row(0), .variance = joint.covariances.row(0), .df = joint.df};
  add_statistics(maps);
  return maps;
}

ContrastMaps f_maps(const JointEffects& joint) {
  const Eigen::Index rows = joint.rows();
  ContrastMaps maps{.row_effects = joint.effects, .df = joint.df, .df_numerator = static_cast<double>(rows)};
  maps.stat = Eigen::VectorXd::Zero(joint.voxels());
  maps.z = Eigen::VectorXd::Zero(joint.voxels());
  parallel_for(joint.voxels(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    Eigen::MatrixXd covariance(rows, rows);
    for (std::int64_t v = begin; v < end; ++v) {
      if (joint.covariances.col(v).isZero(0)) continue;
      Eigen::Index place = 0;
      for (Eigen::Index i = 0; i < rows; ++i) {
        for (Eigen::Index j = 0; j <= i; ++j) covariance(i, j) = joint.covariances(place++, v);
      }
      const Eigen::VectorXd half = covariance.llt().matrixL().solve(joint.effects.col(v));
      maps.stat[v] = half.squaredNorm() / static_cast<double>(rows);
      maps.z[v] = f_to_z(maps.stat[v], maps.df_numerator, maps.df);
    }
  });
  return maps;
}

Eigen::MatrixXd independent_rows(const Eigen::MatrixXd& rows) {
  std::vector<Eigen::Index> chosen;
  for (Eigen::Index row = 0; row < rows.rows(); ++row) {
    chosen.push_back(row);
    const Eigen::MatrixXd candidate = rows(chosen, Eigen::all).rowwise().normalized();
    if (Eigen::ColPivHouseholderQR<Eigen::MatrixXd>(candidate.transpose()).setThreshold(kEstimableTolerance).rank() <
        std::ssize(chosen)) {
      chosen.pop_back();
    }
  }
  return rows(chosen, Eigen::all);
}

ContrastMaps t_contrast(const GlmFit& fit, const Eigen::VectorXd& weights) {
  const Eigen::MatrixXd question = checked(fit, weights.transpose());
  return t_maps(joint_effects(fit, {&question, 1})[0]);
}

ContrastMaps t_contrast(const GlmFit& fit, std::string_view formula) {
  return t_contrast(fit, parse_contrast(formula, fit.names));
}

ContrastMaps f_contrast(const GlmFit& fit, const Eigen::MatrixXd& rows) {
  const Eigen::MatrixXd question = independent_rows(checked(fit, rows));
  return f_maps(joint_effects(fit, {&question, 1})[0]);
}

ContrastMaps f_contrast(const GlmFit& fit, std::string_view formula) {
  return f_contrast(fit, parse_contrast_rows(formula, fit.names));
}

Eigen::VectorXd one_sided_p(const ContrastMaps& maps) {
  return p_of_each(maps, [&](double stat) {
    return maps.is_f() ? f_upper_tail(stat, maps.df_numerator, maps.df) : t_upper_tail(stat, maps.df);
  });
}

Eigen::VectorXd two_sided_p(const ContrastMaps& maps) {
  if (maps.is_f()) return one_sided_p(maps);
  return p_of_each(maps, [&](double stat) { return t_two_sided_p(stat, maps.df); });
}

}  // namespace noema
