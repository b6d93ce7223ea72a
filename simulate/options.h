// simulate/options: what a made-up dataset shall be like.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace noema {

enum class MapKind {
  blobs,   ///< a few non-negative Gaussians for each state
  fields,  ///< a signed smooth random field for each state
};

enum class DesignKind {
  blocks,  ///< long blocks with rest between them
  events,  ///< short events at jittered intervals
};

/// All amplitudes are in units of the noise's temporal standard deviation, which is the same in every voxel.
///
/// The defaults are a small dataset that is decoded in seconds. With `drift`, `spikes` and the two variations of the
/// response at 0 it is signal and noise alone.
struct SimulationOptions {
  int subjects = 8;
  int runs = 2;
  /// States of mind, named state1 …: the labels to decode.
  int states = 4;
  std::string task = "states";
  std::string space = "MNI152NLin2009cAsym";

  /// The brain is the ellipsoid that fits into this box.
  std::array<std::int64_t, 3> shape{20, 24, 20};
  double voxel_mm = 3;
  double tr_s = 2;

  DesignKind design = DesignKind::blocks;
  /// Of each state in each run.
  int blocks = 4;
  int block_volumes = 8;
  /// Rest before, between and after the blocks.
  int rest_volumes = 4;
  /// Of each state in each run.
  int events = 20;
  double event_s = 2;
  /// From the end of an event to the next onset: this much at least, and on average.
  double least_gap_s = 2;
  double mean_gap_s = 4;

  /// A state that lasts shows level·(M + own_map·O), M its map and O the subject's own, both of unit standard deviation
  /// over the brain. An event of 2 s reaches about two fifths of it.
  double level = 0.27;
  double own_map = 0.5;
  MapKind maps = MapKind::blobs;
  int blobs_per_map = 4;
  /// Width (SD) of the blobs and of the fields.
  double map_sd_voxels = 2;
  /// How the time to peak and the width of the response vary between subjects: SD in seconds, and relative.
  double hrf_delay_sd_s = 0.3;
  double hrf_width_sd = 0.1;

  /// SD of the Gaussian by which the noise is smooth in space, and its correlation from volume to volume.
  double noise_sd_voxels = 1;
  double noise_ar = 0.3;
  /// Temporal SD of slow, spatially smooth drifts.
  double drift = 0.2;
  /// Sudden movements in each run, how far they go, and how large the artefact is.
  int spikes = 2;
  double spike_mm = 1.5;
  double spike_amplitude = 1;

  /// Mean intensity in grey matter and the noise's temporal SD, both as written to the images.
  double mean_intensity = 1000;
  double noise_intensity = 10;

  std::uint64_t seed = 0;

  /// Names of the states, of equal length so that they sort as they count.
  std::vector<std::string> state_names() const;
  /// @throws UsageError naming the value that cannot be.
  void validate() const;
};

}  // namespace noema
