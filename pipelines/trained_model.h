// pipelines/trained_model: a model file opened for use on new data: what it wants of runs, and the samples it is asked
// about.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "noema/learn/classifier.h"
#include "noema/learn/model_file.h"
#include "noema/learn/problem.h"
#include "noema/pipelines/options.h"
#include "noema/pipelines/prepare.h"

namespace noema {

struct TrainedModel {
  std::filesystem::path path;
  std::shared_ptr<const InputContract> contract;
  /// What `Classifier::save` gave.
  std::shared_ptr<const SafeTensors> content;
  std::unique_ptr<Classifier> classifier;
  /// The preprocessing of the contract.
  PreprocessOptions preprocess;
};

/// @throws as `read_model`, `open_classifier` and `preprocess_from_toml`, with the file as context.
TrainedModel open_model(const std::filesystem::path& path);

/// Makes `prepare_dataset` give what the model expects. Meshes to smooth along stay those of the options.
void prepare_for(const TrainedModel& model, PrepareOptions& options);

/// @throws UsageError if the model classifies whole runs and the options do not say where their labels come from, or
/// the other way round.
void require_run_labels(const TrainedModel& model, const PrepareOptions& options);

/// Decisions and probabilities for samples. @throws DataError if there is not one decision for each of the model's
/// labels; NumericalError for decisions that are no numbers; as `Classifier::predict`
ClassScores ask(const TrainedModel& model, const SampleSet& samples);

/// The files that the model was trained on, by its provenance; empty where it does not say.
std::vector<InputRecord> training_inputs(const InputContract& contract);

/// Which of the data's runs the model was trained on, by the fingerprints of their files in its provenance: one
/// violation each. A model that does not say what it was trained on gives a note instead of a check.
LeakageReport check_training_overlap(const TrainedModel& model, const PreparedData& data);

/// Adds the report of `check_training_overlap` to the problem's. @throws DataError for violations, with the runs and
/// what to do, unless `allow`; then a warning is said.
void add_training_overlap(LearningProblem& problem, const LeakageReport& overlap, bool allow);

/// @throws DataError for labels of the runs' events that the model does not know (lists them); UsageError for
/// conditions that no run has.
void require_known_labels(const TrainedModel& model, const std::vector<LearningRun>& runs, const LabelRule& rule);

/// All labelled samples of the runs as the model wants them: its labels, unit, delay, discard and extend.
/// @param rule  renames, conditions, gap and overlap of the new data; the rest comes from the contract.
/// @throws as `require_known_labels` and `make_unsplit_problem`
LearningProblem labelled_problem(const TrainedModel& model, const std::shared_ptr<const std::vector<LearningRun>>& runs,
                                 LabelRule rule);

/// The rule by which events become samples of the model, with the rest of `rule` as it is.
LabelRule rule_of(const InputContract& contract, LabelRule rule = {});

/// The samples of a run without events, as the model wants them: each volume; or windows of `window_volumes`, `step`
/// volumes apart (a shorter run, with a warning, whole); or the whole run. Censored volumes are left out; what keeps no
/// volume is no sample. Labels and blocks are 0.
std::vector<Sample> sliding_windows(const InputContract& contract, const LearningRun& run, int index, int step);

}  // namespace noema
