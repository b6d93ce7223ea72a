#include "noema/pipelines/predict.h"

#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/progress.h"
#include "noema/io/atomic_file.h"
#include "noema/io/events.h"
#include "noema/io/table.h"
#include "noema/learn/logistic.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/surfaces.h"
#include "noema/pipelines/trained_model.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDatasetEvents = "dataset";

bool is_image(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".nii") || name.ends_with(".nii.gz") || name.ends_with(".hdr") || name.ends_with(".img");
}

std::string name_of(const Run& run) {
  const std::string file = run.bold.filename().string();
  return run.entities.empty() ? file.substr(0, file.find('.')) : run.id();
}

std::vector<Run> runs_of(const PredictOptions& options) {
  if (fs::is_directory(options.input)) {
    if (!options.events.empty() && options.events != kDatasetEvents) {
      throw UsageError(fmt::format("--events: found '{}', expected '{}' for the events files of the dataset '{}'",
                                   options.events, kDatasetEvents, options.input.string()));
    }
    DatasetQuery query = options.query;
    query.needs_events = options.events == kDatasetEvents;
    return index_dataset(options.input, query).runs;
  }
  if (!is_image(options.input)) {
    throw UsageError(fmt::format("'{}': expected a BIDS dataset (a folder) or the NIfTI image of a run (.nii, .nii.gz)",
                                 options.input.string()));
  }
  Run run = run_of_file(options.input);
  if (options.events == kDatasetEvents) {
    throw UsageError(fmt::format("--events: found '{}', expected the events file of the run '{}'", options.events,
                                 options.input.string()));
  }
  run.events = options.events;
  return {run};
}

/// @param notes  gets a sentence for each step.
LearningRun preprocess(const TrainedModel& model, const Run& run, const PredictOptions& options,
                       std::vector<std::string>& notes) {
  require_contract(*model.contract, run, options.allow_resample);
  const std::shared_ptr<const FeatureSpace> features(model.contract, &model.contract->features);
  LearningRun learning;
  PreprocessOptions preprocessing = model.preprocess;
  preprocessing.resample = options.allow_resample;
  PreprocessedRun done = preprocess_run(run, features, preprocessing);
  learning.series = std::move(done.series);
  notes = std::move(done.notes);
  learning.id = name_of(run);
  if (!options.events.empty()) {
    EventsOptions reading;
    reading.label_column = options.label_column;
    learning.events = read_events(run.events, reading);
  }
  return learning;
}

/// What is asked about one run, and the label of each sample's events, if there are any.
struct Questions {
  SampleSet set;
  std::vector<std::string> trial_type;
};

Questions ask_about_events(const TrainedModel& model, const std::shared_ptr<const std::vector<LearningRun>>& runs,
                           const PredictOptions& options) {
  LabelRule rule = rule_of(*model.contract);
  rule.block_gap_s = options.block_gap_s;
  std::set<std::string> names;
  for (const Event& event : runs->front().events) names.insert(event.label);
  const LabelTable table{{names.begin(), names.end()}};
  const std::vector<Block> blocks = find_blocks(*runs, table, rule);
  Questions questions{{runs, {}, static_cast<int>(model.contract->labels.size())}, {}};
  questions.set.samples = make_samples(*runs, blocks, model.contract->unit, rule, rule.delay_s);
  for (Sample& sample : questions.set.samples) {
    questions.trial_type.push_back(table.names[static_cast<std::size_t>(sample.label)]);
    sample.label = 0;  // of the data's table; the model has its own
  }
  return questions;
}

Questions ask_about_run(const TrainedModel& model, const std::shared_ptr<const std::vector<LearningRun>>& runs,
                        const PredictOptions& options) {
  if (!options.events.empty() && model.contract->unit != SampleUnit::runs) {
    return ask_about_events(model, runs, options);
  }
  return {{runs, sliding_windows(*model.contract, runs->front(), 0, options.step),
           static_cast<int>(model.contract->labels.size())},
          {}};
}

Table table_of(const TrainedModel& model, const Questions& questions, const ClassScores& scores) {
  const InputContract& contract = *model.contract;
  const Series& series = questions.set.runs->front().series;
  const double delay_s = contract.unit == SampleUnit::runs ? 0 : contract.delay_s;
  const bool has_probabilities = scores.probabilities.size() > 0;
  const MatrixD values = has_probabilities ? scores.probabilities : softmax(scores.decisions);
  std::vector<double> onset, duration;
  std::vector<std::string> label;
  for (std::size_t n = 0; n < questions.set.samples.size(); ++n) {
    const Sample& sample = questions.set.samples[n];
    const double begin_s = series.start_s + sample.volumes.front() * series.tr_s;
    onset.push_back(begin_s - delay_s);
    duration.push_back((sample.volumes.back() + 1 - sample.volumes.front()) * series.tr_s);
    Eigen::Index best = 0;
    scores.decisions.row(static_cast<Eigen::Index>(n)).maxCoeff(&best);
    label.push_back(contract.labels[static_cast<std::size_t>(best)]);
  }
  Table table;
  table.add("onset", onset);
  table.add("duration", duration);
  if (!questions.trial_type.empty()) table.add("trial_type", questions.trial_type);
  table.add("label", label);
  for (std::size_t k = 0; k < contract.labels.size(); ++k) {
    const Eigen::VectorXd column = values.col(static_cast<Eigen::Index>(k));
    table.add((has_probabilities ? "p_" : "score_") + contract.labels[k],
              std::vector<double>(column.begin(), column.end()));
  }
  return table;
}

std::string predict_run(const TrainedModel& model, const Run& run, const PredictOptions& options) {
  auto runs = std::make_shared<std::vector<LearningRun>>();
  std::vector<std::string> notes;
  runs->push_back(preprocess(model, run, options, notes));
  const Questions questions = ask_about_run(model, runs, options);
  if (questions.set.samples.empty()) throw DataError("no window keeps a volume: all of them are censored");
  const Table table = table_of(model, questions, ask(model, questions.set));
  fs::path folder;
  if (run.entities.contains("sub")) {
    folder = "sub-" + run.subject();
    if (!run.entity("ses").empty()) folder /= "ses-" + run.entity("ses");
    folder /= "func";
  }
  const fs::path file =
      folder / fmt::format("{}_desc-{}_predictions.tsv", name_of(run), bids_model_label(model.classifier->kind()));
  fs::create_directories(options.output / folder);
  write_table(options.output / file, table);
  const nlohmann::json sidecar{{"Model", model.path.filename().string()}, {"Preprocessing", notes}};
  write_file(fs::path(options.output / file).replace_extension(".json"), sidecar.dump(2) + "\n");
  return file.string();
}

}  // namespace

PredictedRuns predict_runs(const PredictOptions& options) {
  TrainedModel model = open_model(options.model);
  if (const Grid& grid = model.contract->features.mask.grid; !options.surfaces.empty()) {
    model.preprocess.surfaces = std::make_shared<const std::vector<SurfaceMesh>>(read_meshes(options.surfaces, grid));
  }
  const std::vector<Run> runs = runs_of(options);
  open_output_folder(options.output, "predict", options.configuration);
  PredictedRuns result;
  Progress progress("predicting runs", static_cast<std::int64_t>(runs.size()));
  for (const Run& run : runs) {
    check_cancelled();
    try {
      result.files.push_back(
          with_context(fmt::format("run '{}'", name_of(run)), [&] { return predict_run(model, run, options); }));
    } catch (const Cancelled&) {
      throw;
    } catch (const Error& error) {
      result.failed.push_back(name_of(run));
      log(LogLevel::error, error.what());
    }
    progress.advance();
  }
  return result;
}

}  // namespace noema
