#include "noema/simulate/region_series.h"

#include <fmt/format.h>

#include <cmath>

#include "noema/core/error.h"
#include "noema/core/random.h"
#include "noema/simulate/design.h"

namespace noema {
namespace {

/// (K, R) standard normal.
MatrixD weights(const RegionSeriesOptions& options, RandomStream random) {
  MatrixD map(options.study.states, options.regions);
  for (Eigen::Index k = 0; k < map.rows(); ++k) {
    for (Eigen::Index r = 0; r < map.cols(); ++r) map(k, r) = random.normal();
  }
  return map;
}

RegionRun simulate(const RegionSeriesOptions& options, const MatrixD& maps, int subject, int run) {
  const SimulationOptions& study = options.study;
  const MatrixD signal =
      options.level * state_responses(draw_design(study, subject, run), study, draw_hrf(study, subject)) * maps;
  RandomStream random(study.seed, "noise of regions",
                      {static_cast<std::uint64_t>(subject), static_cast<std::uint64_t>(run)});
  const double kept = study.noise_ar, fresh = std::sqrt(1 - kept * kept);
  MatrixD values = signal, surprise(signal.rows(), signal.cols());
  Eigen::RowVectorXd noise(signal.cols());
  for (Eigen::Index r = 0; r < noise.size(); ++r) noise(r) = random.normal();
  for (Eigen::Index t = 0; t < values.rows(); ++t) {
    for (Eigen::Index r = 0; r < noise.size(); ++r) surprise(t, r) = fresh * random.normal();
    noise = kept * noise + surprise.row(t);
    values.row(t) += noise;
  }
  // The first volume is not predicted.
  const Eigen::RowVectorXd floor = surprise.bottomRows(values.rows() - 1).cwiseAbs().colwise().mean();
  return {subject, run, values.cast<float>(), floor};
}

}  // namespace

void RegionSeriesOptions::validate() const {
  study.validate();
  if (regions < 1) throw UsageError(fmt::format("{} regions, expected at least 1", regions));
  if (!(level >= 0)) throw UsageError(fmt::format("a level of {}, expected a number from 0 on", level));
}

std::vector<RegionRun> simulate_region_series(const RegionSeriesOptions& options) {
  options.validate();
  const std::uint64_t seed = options.study.seed;
  const MatrixD common = weights(options, RandomStream(seed, "maps of regions"));
  std::vector<RegionRun> runs;
  for (int subject = 0; subject < options.study.subjects; ++subject) {
    const RandomStream own(seed, "subject's maps of regions", {static_cast<std::uint64_t>(subject)});
    const MatrixD maps = common + options.study.own_map * weights(options, own);
    for (int run = 0; run < options.study.runs; ++run) runs.push_back(simulate(options, maps, subject, run));
  }
  return runs;
}

}  // namespace noema
