// simulate/run: the volumes of one run: baseline, signal, noise, drift and artefacts.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "noema/io/table.h"
#include "noema/simulate/design.h"
#include "noema/simulate/maps.h"
#include "noema/simulate/options.h"

namespace noema {

/// Receives the volumes of a run in order, x fastest, as intensities.
using VolumeSink = std::function<void(std::span<const float> volume)>;

struct SimulatedRun {
  SimulatedDesign design;
  Table confounds;
};

/// Makes one run volume by volume:
///
///   intensity = baseline + noise_intensity · (level·Σ_k response_k(t)·map_k + noise + drift + spikes)
///
/// within the brain; outside there is a fifth of the noise and nothing else. The noise is a smooth field for each
/// volume with e_t = ar·e_{t−1} + √(1−ar²)·w_t, so its temporal SD is 1. Drifts are slow cosines with smooth fields as
/// weights; spikes lower the brain's intensity by spike_amplitude on average. Memory: about ten volumes and the maps.
/// The same for any number of threads.
/// @param maps (K, V): the subject's maps.
/// @throws ShapeError, Cancelled; and what the sink throws.
SimulatedRun simulate_run(const Phantom& phantom, const SimulationOptions& options, const MatrixF& maps, int subject,
                          int run, const VolumeSink& sink);

}  // namespace noema
