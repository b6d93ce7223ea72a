// simulate/simulate: a whole BIDS dataset with known ground truth.
#pragma once

#include <filesystem>

#include "noema/simulate/options.h"

namespace noema {

/// Writes a made-up dataset, all or nothing:
///
/// - events and participants as a raw BIDS dataset (without raw images);
/// - derivatives/simulated: preprocessed images, brain masks and confounds, named as fMRIPrep names them;
/// - ground-truth: `maps.nii.gz` with one volume for each state, `sub-…_maps.nii.gz` with the subject's own share
/// added,
///   `brain.nii.gz`, and `parameters.json` with all options and the response of each subject.
///
/// Equal options give equal files, whatever the number of threads. Volumes are referred to the middle of the TR
/// (`StartTime` of the sidecars). Memory: some volumes for each thread. Runs are made in parallel.
/// @param replace may `folder` be there with content?
/// @throws UsageError, IoError, Cancelled
void simulate_dataset(const std::filesystem::path& folder, const SimulationOptions& options, bool replace = false);

}  // namespace noema
