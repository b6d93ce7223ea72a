#include "noema/glm/group.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>

#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/glm/least_squares.h"
#include "noema/glm/tails.h"

namespace noema {
namespace {

constexpr double kEstimableTolerance = 1e-8;
constexpr double kSmallestPivot = 1e-10;  // of the share of an effect's rest that the effects before leave
constexpr double kRounding = 1e-24;       // of an effect's squared length: what is left of the same value everywhere
constexpr std::int64_t kGrain = 1024;     // voxels

void check(const MatrixD& effects) {
  if (effects.rows() < 2) {
    throw UsageError(
        fmt::format("a group test needs at least two subjects; got {}: add subjects, or report the "
                    "subject's own map over its runs",
                    effects.rows()));
  }
  for (Eigen::Index s = 0; s < effects.rows(); ++s) {
    const auto broken = effects.row(s).array().isFinite().select(0, Eigen::ArrayXd::Ones(effects.cols()).transpose());
    if (broken.sum() == 0) continue;
    throw DataError(
        fmt::format("the effects of subject {} of {} are not finite in {} of {} voxels; use the voxels that "
                    "all subjects have",
                    s + 1, effects.rows(), broken.sum(), effects.cols()));
  }
}

void check_joint(std::span<const MatrixD> effects, const DesignMatrix& design, const Eigen::VectorXd& weights) {
  if (effects.empty()) throw UsageError("a joint test of effects needs effects; got none");
  for (const MatrixD& effect : effects) {
    check(effect);
    if (effect.rows() == design.values.rows() && effect.cols() == effects.front().cols()) continue;
    throw ShapeError(fmt::format("effects of {} × {} were given for {} subjects and {} voxels", effect.rows(),
                                 effect.cols(), design.values.rows(), effects.front().cols()));
  }
  if (weights.size() != design.values.cols()) {
    throw ShapeError(fmt::format("a contrast of {} weights was given for a group design of {} columns", weights.size(),
                                 design.values.cols()));
  }
}

/// xᵀS⁻¹x; 0 where S is singular.
double quadratic_form(const Eigen::MatrixXd& squares, const Eigen::VectorXd& x) {
  const Eigen::VectorXd inverse = squares.diagonal().cwiseSqrt().cwiseInverse();
  const Eigen::LLT<Eigen::MatrixXd> factor(inverse.asDiagonal() * squares * inverse.asDiagonal());
  if (factor.info() != Eigen::Success) return 0;
  const Eigen::MatrixXd lower = factor.matrixL();
  if (!(lower.diagonal().array().square().minCoeff() > kSmallestPivot)) return 0;
  return factor.matrixL().solve(inverse.cwiseProduct(x)).squaredNorm();
}

}  // namespace

ContrastMaps one_sample_t(const MatrixD& effects) {
  check(effects);
  const auto subjects = static_cast<double>(effects.rows());
  ContrastMaps maps{.df = subjects - 1};
  maps.effect = effects.colwise().mean();
  maps.variance.resize(effects.cols());
  for (Eigen::Index v = 0; v < effects.cols(); ++v) {
    const bool constant = (effects.col(v).array() == effects(0, v)).all();  // rounding would leave a rest
    const double squares = constant ? 0 : (effects.col(v).array() - maps.effect[v]).square().sum();
    maps.variance[v] = squares / (subjects - 1) / subjects;
  }
  add_statistics(maps);
  return maps;
}

ContrastMaps joint_group_test(std::span<const MatrixD> effects, const DesignMatrix& design,
                              const Eigen::VectorXd& weights) {
  check_joint(effects, design, weights);
  const DesignBasis basis = make_basis(design.values);
  if (weights.isZero(0) || (weights - basis.estimable * weights).norm() > kEstimableTolerance * weights.norm()) {
    throw DataError(fmt::format("the group's design cannot estimate the contrast; its columns are {}",
                                fmt::join(design.names, ", ")));
  }
  const std::int64_t q = std::ssize(effects);
  const std::int64_t df = design.values.rows() - basis.rank();
  if (df < q) {
    throw UsageError(fmt::format(
        "an F contrast of {} independent rows needs {} subjects in a group model of {} columns, and there are {}", q,
        basis.rank() + q, basis.rank(), design.values.rows()));
  }
  const Eigen::VectorXd of_basis = basis.weights.transpose() * weights;  // (r)
  ContrastMaps maps{.df = static_cast<double>(df - q + 1), .df_numerator = static_cast<double>(q)};
  maps.stat = maps.z = Eigen::VectorXd::Zero(effects.front().cols());
  maps.row_effects.resize(q, maps.stat.size());
  // T² = df·eᵀ(RᵀR)⁻¹e / |w|², F = T²·(df − q + 1)/(q·df), where w are the contrast's weights of the basis.
  const double scale = maps.df / (maps.df_numerator * of_basis.squaredNorm());
  parallel_for(maps.stat.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    Eigen::MatrixXd of_voxel(design.values.rows(), q);
    for (std::int64_t v = begin; v < end; ++v) {
      for (std::int64_t k = 0; k < q; ++k) of_voxel.col(k) = effects[static_cast<std::size_t>(k)].col(v);
      const Eigen::MatrixXd solution = basis.columns.transpose() * of_voxel;  // (r, q)
      const Eigen::MatrixXd rest = of_voxel - basis.columns * solution;
      const Eigen::VectorXd values = solution.transpose() * of_basis;
      maps.row_effects.col(v) = values;
      const bool varies =
          (rest.colwise().squaredNorm().array() > kRounding * of_voxel.colwise().squaredNorm().array()).all();
      maps.stat[v] = varies ? scale * quadratic_form(rest.transpose() * rest, values) : 0;
      maps.z[v] = maps.stat[v] > 0 ? f_to_z(maps.stat[v], maps.df_numerator, maps.df) : 0;
    }
  });
  return maps;
}

}  // namespace noema
