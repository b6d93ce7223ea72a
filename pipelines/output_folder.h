// pipelines/output_folder: the folder of a run's results, as BIDS derivatives ask for it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "noema/io/image.h"
#include "noema/io/series.h"

namespace noema {

/// Makes the folder (and its parents), removes temporaries of killed runs, and writes dataset_description.json and the
/// effective configuration (noema-<command>.toml). @throws IoError naming the folder and what to do when it cannot be
/// written; UsageError if it holds a dataset that is not ours, whose description would be lost.
void open_output_folder(const std::filesystem::path& folder, const std::string& command,
                        const std::string& configuration);

/// Where the networks of a command keep their checkpoints: `checkpoints/` in the output folder, there only while they
/// are trained and after an interruption.
std::filesystem::path checkpoint_folder(const std::filesystem::path& output);

/// Removes them, once their models are written. @throws IoError
void remove_checkpoints(const std::filesystem::path& output);

/// "left hand" → "leftHand": a label as BIDS file names take it (letters and digits, later words capitalised).
/// `_` and spaces part words; "-", "+", ">", "<" become Minus, Plus, Gt, Lt.
std::string bids_label(const std::string& label);

/// "long-conv" → "longConv": the name of a model or a method, whose hyphens only join words.
std::string bids_model_label(const std::string& name);

/// How the names of maps on a grid end: ".nii.gz", or ".dscalar.nii" for grayordinates.
std::string map_ending(const Grid& grid);

/// Where the mean image of a subject lies, relative to the output folder.
std::string subject_mean_file(const std::string& subject, const Grid& grid);

/// Writes one value a feature as a map on the mask's grid (NIfTI, or CIFTI for grayordinates: of parcels where the name
/// ends in .pscalar.nii), and returns the path relative to `folder`.
std::string write_map(const std::filesystem::path& folder, const std::string& name, const FeatureSpace& features,
                      const std::vector<float>& values, const ImageHeader& like, const std::string& description);

}  // namespace noema
