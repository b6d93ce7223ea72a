#include "noema/glm/cluster_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "noema/core/error.h"

namespace noema {
namespace {

using Place = std::array<std::int64_t, 3>;

/// One cluster in a box of its own with a margin; `values` are positive inside and 0 outside.
struct ClusterBox {
  Mask voxels;
  Lattice lattice;  // with 26 neighbours
  std::vector<double> values;
  std::vector<std::int32_t> member_at;  // of each position, or −1
};

ClusterBox box_of(const Mask& mask, std::span<const double> values, std::span<const std::int32_t> members, int sign) {
  ClusterBox box;
  box.voxels.grid = mask.grid;
  for (const std::int32_t v : members) {
    box.voxels.voxels.push_back(mask.voxels[static_cast<std::size_t>(v)]);
    box.values.push_back(sign * values[static_cast<std::size_t>(v)]);
  }
  box.lattice = make_lattice(box.voxels, Connectivity::corners);
  box.member_at.assign(static_cast<std::size_t>(box.lattice.positions), -1);
  for (std::size_t m = 0; m < members.size(); ++m) {
    box.member_at[static_cast<std::size_t>(box.lattice.position[m])] = static_cast<std::int32_t>(m);
  }
  return box;
}

bool is_constant(const std::vector<double>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return *high - *low <= 1e-8 + 1e-5 * *low;
}

/// 1 where no neighbour is higher. Flat surroundings are no peak unless all of the cluster is flat.
std::vector<double> peak_flags(const ClusterBox& box) {
  const bool flat = is_constant(box.values);
  std::vector<double> flags(box.values.size(), 0);
  for (std::size_t m = 0; m < box.values.size(); ++m) {
    bool is_highest = true, is_level = true;
    for (const std::int32_t offset : box.lattice.offsets) {
      const std::int32_t other = box.member_at[static_cast<std::size_t>(box.lattice.position[m] + offset)];
      const double value = other < 0 ? 0 : box.values[static_cast<std::size_t>(other)];
      is_highest = is_highest && value <= box.values[m];
      is_level = is_level && value == box.values[m];
    }
    if (is_highest && (flat || !is_level)) flags[m] = 1;
  }
  return flags;
}

double squared_distance(const Place& a, const std::array<double, 3>& b) {
  double sum = 0;
  for (std::size_t axis = 0; axis < 3; ++axis) sum += std::pow(static_cast<double>(a[axis]) - b[axis], 2);
  return sum;
}

/// The member nearest to the centre, rounded to a voxel, of the members weighted by their values.
std::int32_t central_member(const ClusterBox& box, std::span<const std::int32_t> members) {
  std::array<double, 3> centre{0, 0, 0};
  double weight = 0;
  const auto place = [&](std::int32_t m) {
    return box.voxels.grid.voxel_at(box.voxels.voxels[static_cast<std::size_t>(m)]);
  };
  for (const std::int32_t m : members) {
    const double value = box.values[static_cast<std::size_t>(m)];
    weight += value;
    for (std::size_t axis = 0; axis < 3; ++axis) centre[axis] += value * static_cast<double>(place(m)[axis]);
  }
  for (double& axis : centre) axis = std::nearbyint(axis / weight);
  return *std::min_element(members.begin(), members.end(), [&](std::int32_t a, std::int32_t b) {
    return squared_distance(place(a), centre) < squared_distance(place(b), centre);
  });
}

std::vector<ClusterPeak> peaks_of(const ClusterBox& box, int sign) {
  std::vector<ClusterPeak> peaks;
  ClusterFinder plateaus(box.voxels);
  plateaus.find(peak_flags(box), 0, 1, [&](std::span<const std::int32_t> members) {
    const auto m = static_cast<std::size_t>(central_member(box, members));
    const Place voxel = box.voxels.grid.voxel_at(box.voxels.voxels[m]);
    const Eigen::Vector4d at(static_cast<double>(voxel[0]), static_cast<double>(voxel[1]),
                             static_cast<double>(voxel[2]), 1);
    const Eigen::Vector4d ras = box.voxels.grid.ras_from_voxel * at;
    peaks.push_back({voxel, {ras[0], ras[1], ras[2]}, sign * box.values[m]});
  });
  std::stable_sort(peaks.begin(), peaks.end(),
                   [](const ClusterPeak& a, const ClusterPeak& b) { return std::abs(a.value) > std::abs(b.value); });
  return peaks;
}

std::vector<ClusterPeak> apart(const std::vector<ClusterPeak>& peaks, const ClusterTableOptions& options) {
  std::vector<ClusterPeak> kept;
  for (const ClusterPeak& peak : peaks) {
    if (static_cast<int>(kept.size()) == options.most_peaks) break;
    const bool is_apart = std::all_of(kept.begin(), kept.end(), [&](const ClusterPeak& other) {
      double squares = 0;
      for (std::size_t a = 0; a < 3; ++a) squares += std::pow(peak.ras_mm[a] - other.ras_mm[a], 2);
      return std::sqrt(squares) > options.min_distance_mm;
    });
    if (is_apart) kept.push_back(peak);
  }
  return kept;
}

void check(const ClusterTableOptions& options) {
  if (!(options.threshold.height >= 0) || !(options.min_distance_mm > 0) || options.most_peaks < 1 ||
      options.most_peaks > 27) {
    throw UsageError(
        fmt::format("found a threshold of {}, a distance of {} mm and {} peaks, expected one that is not negative, "
                    "one above 0 and 1 to 27",
                    options.threshold.height, options.min_distance_mm, options.most_peaks));
  }
}

}  // namespace

std::string ClusterRow::label(std::size_t peak) const {
  return peak == 0 ? std::to_string(id) : fmt::format("{}{}", id, static_cast<char>('a' + peak - 1));
}

std::vector<ClusterRow> cluster_table(const Mask& mask, std::span<const double> values,
                                      const ClusterTableOptions& options) {
  check(options);
  const std::array<double, 3> edges = mask.grid.voxel_size_mm();
  const double voxel_mm3 = edges[0] * edges[1] * edges[2];
  std::vector<ClusterRow> table;
  ClusterFinder finder(mask, options.threshold.connectivity);
  for (const int sign : {1, -1}) {
    if (sign < 0 && !options.threshold.two_sided) break;
    const auto first = static_cast<std::ptrdiff_t>(table.size());
    finder.find(values, options.threshold.height, sign, [&](std::span<const std::int32_t> members) {
      const auto size = static_cast<std::int64_t>(members.size());
      if (size < options.threshold.smallest_cluster) return;
      const ClusterBox box = box_of(mask, values, members, sign);
      table.push_back({0,
                       apart(peaks_of(box, sign), options),
                       {members.begin(), members.end()},
                       static_cast<double>(size) * voxel_mm3});
    });
    std::stable_sort(table.begin() + first, table.end(), [](const ClusterRow& a, const ClusterRow& b) {
      return std::abs(a.peaks[0].value) > std::abs(b.peaks[0].value);
    });
  }
  for (std::size_t row = 0; row < table.size(); ++row) table[row].id = static_cast<int>(row) + 1;
  return table;
}

}  // namespace noema
