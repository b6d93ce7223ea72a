#include "noema/simulate/options.h"

#include <fmt/format.h>

#include <cmath>

#include "noema/core/error.h"

namespace noema {
namespace {

void require(bool holds, std::string_view what, double found, std::string_view expected) {
  if (!holds) throw UsageError(fmt::format("simulation: found {} {}, expected {}", what, found, expected));
}

void at_least(int found, int least, std::string_view what) {
  require(found >= least, what, found, fmt::format("at least {}", least));
}

void not_negative(double found, std::string_view what) {
  require(found >= 0 && std::isfinite(found), what, found, "0 or more");
}

void positive(double found, std::string_view what) {
  require(found > 0 && std::isfinite(found), what, found, "more than 0");
}

void check_name(const std::string& name, std::string_view what) {
  for (const char c : name) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) {
      throw UsageError(fmt::format("simulation: the {} '{}' may hold letters and digits alone", what, name));
    }
  }
  if (name.empty()) throw UsageError(fmt::format("simulation: the {} is empty", what));
}

}  // namespace

std::vector<std::string> SimulationOptions::state_names() const {
  const std::size_t digits = std::to_string(states).size();
  std::vector<std::string> names;
  for (int state = 1; state <= states; ++state) names.push_back(fmt::format("state{:0{}}", state, digits));
  return names;
}

void SimulationOptions::validate() const {
  check_name(task, "task");
  check_name(space, "space");
  at_least(subjects, 1, "subjects");
  at_least(runs, 1, "runs");
  at_least(states, 1, "states");
  for (const std::int64_t length : shape) {
    require(length >= 1 && length <= 2048, "voxels along an axis", static_cast<double>(length), "1 to 2048");
  }
  positive(voxel_mm, "voxel size");
  positive(tr_s, "TR");
  at_least(blocks, 1, "blocks");
  at_least(block_volumes, 1, "volumes of a block");
  at_least(rest_volumes, 0, "volumes of rest");
  at_least(events, 1, "events");
  positive(event_s, "length of events");
  not_negative(least_gap_s, "least gap");
  require(mean_gap_s >= least_gap_s && std::isfinite(mean_gap_s), "mean gap", mean_gap_s, "the least gap or more");
  not_negative(level, "level");
  not_negative(own_map, "share of own maps");
  at_least(blobs_per_map, 1, "blobs");
  positive(map_sd_voxels, "width of maps");
  not_negative(hrf_delay_sd_s, "variation of the delay");
  not_negative(hrf_width_sd, "variation of the width");
  not_negative(noise_sd_voxels, "smoothness of the noise");
  require(noise_ar > -1 && noise_ar < 1, "autocorrelation of the noise", noise_ar, "between -1 and 1");
  not_negative(drift, "drift");
  at_least(spikes, 0, "spikes");
  not_negative(spike_mm, "movement of spikes");
  not_negative(spike_amplitude, "amplitude of spikes");
  positive(mean_intensity, "mean intensity");
  positive(noise_intensity, "intensity of the noise");
}

}  // namespace noema
