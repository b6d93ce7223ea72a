#include "noema/simulate/confounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>

#include "noema/core/random.h"
#include "noema/io/confounds.h"

namespace noema {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::array<std::string_view, 6> kParameters{"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"};
constexpr double kHeadRadius_mm = 50;
constexpr double kCutOff_s = 128;
constexpr double kWalk_mm = 0.01;
constexpr int kDigits = 9;

/// Volumes of sudden movements: neither first nor last, nor next to another. There may be room for fewer than asked.
std::vector<std::int64_t> draw_spike_volumes(RandomStream& random, std::int64_t volumes, int spikes) {
  std::vector<std::int64_t> chosen;
  for (const std::int64_t candidate : random.permutation(volumes)) {
    const bool near =
        std::any_of(chosen.begin(), chosen.end(), [&](std::int64_t other) { return std::abs(other - candidate) < 3; });
    if (static_cast<int>(chosen.size()) == spikes) break;
    if (!near && candidate >= 2 && candidate < volumes - 2) chosen.push_back(candidate);
  }
  return chosen;
}

std::vector<double> column(const MatrixD& matrix, Eigen::Index index) {
  const Eigen::VectorXd values = matrix.col(index);
  return {values.begin(), values.end()};
}

std::vector<double> differences(const std::vector<double>& values) {
  std::vector<double> result(values.size(), kNaN);
  for (std::size_t i = 1; i < values.size(); ++i) result[i] = values[i] - values[i - 1];
  return result;
}

std::vector<double> squares(std::vector<double> values) {
  for (double& value : values) value *= value;
  return values;
}

/// By the median of what is not NaN.
std::vector<double> divided_by_median(std::vector<double> values) {
  if (values.size() < 2) return values;
  std::vector<double> known(values.begin() + 1, values.end());
  std::nth_element(known.begin(), known.begin() + static_cast<std::ptrdiff_t>(known.size() / 2), known.end());
  const double median = known[known.size() / 2];
  for (double& value : values) value /= median;
  return values;
}

}  // namespace

Motion draw_motion(const SimulationOptions& options, int subject, int run, std::int64_t volumes) {
  RandomStream random(options.seed, "motion", {static_cast<std::uint64_t>(subject), static_cast<std::uint64_t>(run)});
  Motion motion{MatrixD::Zero(volumes, 6), std::vector<double>(static_cast<std::size_t>(volumes), 0.0)};
  Eigen::RowVectorXd direction(6);
  for (double& part : direction) part = random.normal();
  direction *= options.spike_mm / direction.norm();
  Eigen::RowVectorXd place = Eigen::RowVectorXd::Zero(6);
  for (std::int64_t t = 0; t < volumes; ++t) {
    for (double& part : place) part += kWalk_mm * random.normal();
    motion.parameters.row(t) = place;
  }
  for (const std::int64_t t : draw_spike_volumes(random, volumes, options.spikes)) {
    motion.spikes[static_cast<std::size_t>(t)] = 0.7 + 0.6 * random.uniform();
    motion.parameters.row(t) += motion.spikes[static_cast<std::size_t>(t)] * direction;
  }
  motion.parameters.rightCols(3) /= kHeadRadius_mm;
  return motion;
}

MatrixD slow_cosines(std::int64_t volumes, double tr_s) {
  const auto slow = static_cast<std::int64_t>(std::floor(2 * static_cast<double>(volumes) * tr_s / kCutOff_s));
  MatrixD cosines(volumes, std::clamp<std::int64_t>(slow, 0, std::max<std::int64_t>(volumes - 1, 0)));
  const auto length = static_cast<double>(volumes);
  for (Eigen::Index t = 0; t < cosines.rows(); ++t) {
    for (Eigen::Index k = 0; k < cosines.cols(); ++k) {
      cosines(t, k) =
          std::sqrt(2 / length) * std::cos(M_PI * static_cast<double>(k + 1) * (static_cast<double>(t) + 0.5) / length);
    }
  }
  return cosines;
}

ConfoundsCollector::ConfoundsCollector(const Phantom& phantom) : phantom_(phantom) {}

void ConfoundsCollector::add(std::span<const float> volume) {
  std::array<double, 4> sums{};
  std::array<double, 4> counts{};
  double squared_changes = 0;
  for (const std::int64_t voxel : phantom_.brain.voxels) {
    const auto v = static_cast<std::size_t>(voxel);
    const auto tissue = static_cast<std::size_t>(phantom_.tissue[v]);
    sums[tissue] += volume[v];
    counts[tissue] += 1;
    if (!before_.empty()) squared_changes += std::pow(static_cast<double>(volume[v]) - before_[v], 2);
  }
  const auto mean = [&](Tissue tissue) {
    const auto index = static_cast<std::size_t>(tissue);
    return counts[index] > 0 ? sums[index] / counts[index] : kNaN;
  };
  const auto voxels = static_cast<double>(phantom_.brain.size());
  global_.push_back((sums[1] + sums[2] + sums[3]) / voxels);
  csf_.push_back(mean(Tissue::csf));
  white_.push_back(mean(Tissue::white));
  dvars_.push_back(before_.empty() ? kNaN : std::sqrt(squared_changes / voxels));
  before_.assign(volume.begin(), volume.end());
}

Table ConfoundsCollector::table(const Motion& motion, double tr_s) const {
  Table table;
  table.add("global_signal", global_, kDigits);
  table.add("csf", csf_, kDigits);
  table.add("white_matter", white_, kDigits);
  table.add("std_dvars", divided_by_median(dvars_), kDigits);
  table.add("dvars", dvars_, kDigits);
  table.add("framewise_displacement", framewise_displacement(motion.parameters), kDigits);
  const MatrixD cosines = slow_cosines(motion.parameters.rows(), tr_s);
  for (Eigen::Index k = 0; k < cosines.cols(); ++k) {
    table.add(fmt::format("cosine{:02}", k), column(cosines, k), kDigits);
  }
  for (std::size_t p = 0; p < kParameters.size(); ++p) {
    const std::vector<double> values = column(motion.parameters, static_cast<Eigen::Index>(p));
    const std::vector<double> changes = differences(values);
    const std::string name(kParameters[p]);
    table.add(name, values, kDigits);
    table.add(name + "_derivative1", changes, kDigits);
    table.add(name + "_derivative1_power2", squares(changes), kDigits);
    table.add(name + "_power2", squares(values), kDigits);
  }
  return table;
}

}  // namespace noema
