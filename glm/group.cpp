#include "noema/glm/group.h"

#include <fmt/format.h>

#include "noema/core/error.h"

namespace noema {
namespace {

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

}  // namespace noema
