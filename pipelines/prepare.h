// pipelines/prepare: from the files of a dataset to runs ready for learning; finished subjects are reused.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "noema/core/error.h"
#include "noema/core/provenance.h"
#include "noema/io/dataset.h"
#include "noema/io/image.h"
#include "noema/learn/samples.h"
#include "noema/pipelines/options.h"
#include "noema/preprocess/high_pass_choice.h"

namespace noema {

/// What became of one subject.
struct SubjectOutcome {
  std::string subject;
  enum class Kind { computed, reused, failed } kind = Kind::computed;
  /// Why it was computed though a result was there, or the error.
  std::string reason;
};

/// The subjects whose masks and events decide what all have in common: all of the dataset when single subjects are
/// worked on by themselves, so that a later call for the group finds the same.
Dataset dataset_for_features(const PrepareOptions& options, const Dataset& dataset);

/// Says which subjects were reused, which computed again and why, and how many failed.
void say_outcomes(const std::vector<SubjectOutcome>& outcomes);

struct PreparedData {
  Dataset dataset;
  std::shared_ptr<const FeatureSpace> features;
  /// By subject, session, task and run; the runs of failed subjects are missing.
  std::shared_ptr<const std::vector<LearningRun>> runs;
  /// The same runs with nuisance series (motion, global signal, place in the run) as their features.
  std::shared_ptr<const std::vector<LearningRun>> nuisance;
  std::vector<std::string> nuisance_names;
  /// The files of each of `runs`.
  std::vector<Run> files;
  std::vector<SubjectOutcome> subjects;
  /// The steps each run went through; steps that differ between runs are given once each.
  std::vector<std::string> notes;
  HighPassChoice high_pass;
  /// As used: with the cut-off and filter that were chosen.
  PreprocessOptions preprocess;
  /// The mean over runs of the mean volumes, on the mask's grid.
  Image mean;
  std::vector<InputRecord> inputs;
};

/// @throws DataError unless the run has the TR, the space and, without `allow_resample`, the grid that a trained model
/// expects.
void require_contract(const InputContract& contract, const Run& run, bool allow_resample);

/// Refuses by throwing, before any image is read: gets the runs as far as their names, groups and events tell.
using RunCheck = std::function<void(const std::vector<LearningRun>&)>;

/// Indexes the dataset, agrees on one set of features for all subjects, and preprocesses each subject (or takes what an
/// earlier call left in the output folder, if configuration, inputs and version agree). A subject that fails is
/// recorded, leaves `logs/crash-sub-<label>.txt`, and the others go on.
/// An output that cannot be written ends the call.
/// @throws as `index_dataset`, `check` and `choose_features`; DataError if no subject is left; IoError; Cancelled
PreparedData prepare_dataset(const PrepareOptions& options, const RunCheck& check = {});

/// The high-pass asked for, or chosen by the events of the runs, with its reason.
HighPassChoice resolve_high_pass(const PrepareOptions& options, const std::vector<std::vector<Event>>& events);

/// Writes logs/crash-sub-<label>.txt: the error, where it arose, and the configuration.
void write_crash_file(const PrepareOptions& options, const std::string& subject, const Error& error);

/// What `prepare_dataset` would do, for people: runs, features, and which subjects are finished.
std::vector<std::string> plan_preparation(const PrepareOptions& options, const RunCheck& check = {});

}  // namespace noema
