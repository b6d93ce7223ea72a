// learn/model_file: a trained model in one file, with a contract that says what input it wants.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "noema/io/image.h"
#include "noema/io/safetensors.h"
#include "noema/io/series.h"
#include "noema/learn/labels.h"

namespace noema {

/// What a model was trained on and therefore expects of a new run.
struct InputContract {
  /// Space, grid (canonical orientation), mask, kind, names and atlas: enough to extract the features of a new run.
  FeatureSpace features;
  double tr_s = 0;
  /// What preprocessing makes of each run's features: "z-score", "percent-change" or "none".
  std::string normalisation = "z-score";
  /// The whole preprocessing as TOML.
  std::string preprocessing;

  std::vector<std::string> labels;
  SampleUnit unit = SampleUnit::blocks;
  /// Volumes of one sample: the length of the window that slides over a run without events.
  int window_volumes = 0;
  /// As in LabelRule; the delay is the one that was used, estimated or not (with `hrf_weighted` the estimate).
  double delay_s = 0;
  /// Were volumes chosen and weighted by the predicted response (`DelayKind::hrf`)?
  bool hrf_weighted = false;
  double discard_s = 0;
  double extend_s = 0;
  EventWindows windows = EventWindows::blocks;

  /// How the model was trained, as JSON.
  std::string provenance = "{}";
  /// An SPDX identifier or a sentence; empty when not said.
  std::string licence;

  /// Fingerprint of `preprocessing`.
  std::string preprocessing_hash() const;
};

struct ModelFile {
  /// Which classifier reads the content ("ridge", "long-conv" …).
  std::string kind;
  InputContract contract;
  /// What `Classifier::save` gave.
  SafeTensors content;
};

/// Writes one safetensors file, all or nothing: the content's tensors, those of the contract named "contract/…", and
/// the contract as JSON in the metadata.
/// @throws IoError; ShapeError if parts of the feature space do not fit; UsageError without kind, or if the content
/// uses a reserved name; DataError if `provenance` is no JSON.
void write_model(const std::filesystem::path& path, const ModelFile& model);

/// @throws IoError; FormatError for another file, a newer version, a contract that is incomplete or contradicts itself,
/// or content that does not fit its fingerprint.
ModelFile read_model(const std::filesystem::path& path);

/// The metadata as JSON (kind, contract without voxels, the content's own metadata); the arrays are not read.
/// @throws as read_model
nlohmann::json read_model_info(const std::filesystem::path& path);

/// What remains to be done so that a run fits a model.
struct ContractCheck {
  bool resample_grid = false;
  /// One sentence for each, for the record.
  std::vector<std::string> notes;
};

/// Compares a run with what a model expects: the same grid, TR within 1 %, and the same space where both name theirs.
///
/// Orientation, units and types of number are no matter: io made them canonical.
/// @param run            the canonical header of the run's image.
/// @param tr_s           the run's TR (sidecar before header).
/// @param allow_resample may the grid differ? The TR never may.
/// @throws DataError listing everything that does not fit, with found, expected and the remedy. Another space is always
/// refused: resampling does not register brains.
ContractCheck check_contract(const InputContract& contract, const ImageHeader& run, double tr_s, bool allow_resample);

}  // namespace noema
