#include "noema/pipelines/trained_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/decoders/registry.h"
#include "noema/pipelines/preprocess_config.h"

namespace noema {
namespace {

constexpr std::size_t kNamed = 5;  // runs in a message

std::set<std::string> labels_of(const std::vector<LearningRun>& runs, const LabelRule& rule) {
  std::set<std::string> labels;
  for (const LearningRun& run : runs) {
    for (const Event& event : selected_events(run, rule)) labels.insert(event.label);
  }
  return labels;
}

Sample equal_weights(int run, std::vector<int> volumes) {
  Sample sample;
  sample.run = run;
  sample.weights.assign(volumes.size(), 1.0F / static_cast<float>(volumes.size()));
  sample.volumes = std::move(volumes);
  return sample;
}

}  // namespace

TrainedModel open_model(const std::filesystem::path& path) {
  TrainedModel model;
  model.path = path;
  ModelFile file = read_model(path);
  with_context(fmt::format("the model '{}'", path.string()), [&] {
    if (!std::is_sorted(file.contract.labels.begin(), file.contract.labels.end()) || file.contract.labels.size() < 2) {
      throw DataError(
          fmt::format("its labels ({}) are not two or more in ascending order", fmt::join(file.contract.labels, ", ")));
    }
    model.classifier = open_classifier(file.content);
    model.preprocess = preprocess_from_toml(file.contract.preprocessing);
  });
  model.contract = std::make_shared<const InputContract>(std::move(file.contract));
  model.content = std::make_shared<const SafeTensors>(std::move(file.content));
  return model;
}

void prepare_for(const TrainedModel& model, PrepareOptions& options) {
  options.contract = model.contract;
  const auto surfaces = options.preprocess.surfaces;
  options.preprocess = model.preprocess;
  options.preprocess.surfaces = surfaces;
}

void require_run_labels(const TrainedModel& model, const PrepareOptions& options) {
  const bool whole_runs = model.contract->unit == SampleUnit::runs;
  if (whole_runs == !options.run_label.empty()) return;
  throw UsageError(
      whole_runs
          ? fmt::format("the model '{}' classifies whole runs; say where their labels come from with --run-label",
                        model.path.string())
          : fmt::format("--run-label gives whole runs a label, but the model '{}' classifies parts of runs",
                        model.path.string()));
}

ClassScores ask(const TrainedModel& model, const SampleSet& samples) {
  ClassScores scores = model.classifier->predict(samples);
  if (scores.decisions.cols() != static_cast<Eigen::Index>(model.contract->labels.size())) {
    throw DataError(fmt::format("the model '{}' decides between {} classes but names {} labels: the file is damaged",
                                model.path.string(), scores.decisions.cols(), model.contract->labels.size()));
  }
  if (scores.decisions.hasNaN() || scores.probabilities.hasNaN()) {
    throw NumericalError("the model says 'not a number': look for values in the data that are not finite");
  }
  return scores;
}

std::vector<InputRecord> training_inputs(const InputContract& contract) {
  std::vector<InputRecord> records;
  try {
    const nlohmann::json provenance = nlohmann::json::parse(contract.provenance);
    for (const nlohmann::json& input : provenance.at("inputs")) {
      records.push_back(
          {input.at("path"), input.at("size_bytes"), input.at("modified_unix_s"), input.at("hash_xxh3_128")});
    }
  } catch (const nlohmann::json::exception&) {
    return {};  // written by another program: it does not say
  }
  return records;
}

LeakageReport check_training_overlap(const TrainedModel& model, const PreparedData& data) {
  LeakageReport report;
  report.unit = "run";
  std::set<std::string> trained;
  for (const InputRecord& input : training_inputs(*model.contract)) trained.insert(input.hash);
  if (trained.empty()) {
    report.notes.emplace_back(
        "The model does not say which files it was trained on, so it could not be checked whether these data are new "
        "to it.");
    log_warning(report.notes.back());
    return report;
  }
  std::map<std::string, std::string> hash_of_file;
  for (const InputRecord& input : data.inputs) hash_of_file[input.path] = input.hash;
  for (std::size_t r = 0; r < data.files.size(); ++r) {
    const auto hash = hash_of_file.find(data.files[r].bold.string());
    if (hash == hash_of_file.end() || !trained.contains(hash->second)) continue;
    const std::string& id = data.runs->at(r).id;
    report.violations.push_back({"training", id, fmt::format("the model was trained on the run '{}'", id)});
  }
  report.checks.push_back(fmt::format("No run is among the {} files that the model was trained on: {}.", trained.size(),
                                      report.violations.empty() ? "holds" : "does not hold"));
  return report;
}

void add_training_overlap(LearningProblem& problem, const LeakageReport& overlap, bool allow) {
  const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
  append(problem.leakage.checks, overlap.checks);
  append(problem.leakage.notes, overlap.notes);
  append(problem.leakage.violations, overlap.violations);
  if (overlap.violations.empty()) return;
  std::vector<std::string> runs;
  for (const LeakageViolation& violation : overlap.violations) {
    if (runs.size() < kNamed) runs.push_back(violation.fold);
  }
  const std::string text =
      fmt::format("the model was trained on {} of the {} runs it is to be tested on ({}{})", overlap.violations.size(),
                  problem.runs->size(), fmt::join(runs, ", "), runs.size() < overlap.violations.size() ? ", …" : "");
  if (!allow) {
    throw DataError(text +
                    ": its scores would flatter. Test it on other runs (--participant-label, --session, --run), use "
                    "noema decode to cross-validate, or allow it with --allow-leakage, which the results record");
  }
  problem.leakage.allowed = true;
  log_warning(text + "; allowed on request");
}

void require_known_labels(const TrainedModel& model, const std::vector<LearningRun>& runs, const LabelRule& rule) {
  const std::vector<std::string>& known = model.contract->labels;
  LabelRule everything = rule;
  everything.conditions.clear();
  const std::set<std::string> all = labels_of(runs, everything);
  for (const std::string& condition : rule.conditions) {
    if (all.contains(condition)) continue;
    throw UsageError(
        fmt::format("no event is labelled '{}'; the labels (after renaming) are: {}", condition, fmt::join(all, ", ")));
  }
  std::vector<std::string> unknown;
  for (const std::string& label : labels_of(runs, rule)) {
    if (std::find(known.begin(), known.end(), label) == known.end()) unknown.push_back(label);
  }
  if (unknown.empty()) return;
  throw DataError(
      fmt::format("the model '{}' does not know {} of the data's labels: {}. It knows: {}. Pick the ones to test with "
                  "--conditions, rename them with --labels, or adapt the model with noema finetune",
                  model.path.string(), unknown.size(), fmt::join(unknown, ", "), fmt::join(known, ", ")));
}

LabelRule rule_of(const InputContract& contract, LabelRule rule) {
  rule.delay = contract.hrf_weighted ? DelayKind::hrf : DelayKind::fixed;
  rule.delay_s = contract.delay_s;
  rule.discard_s = contract.discard_s;
  rule.extend_s = contract.extend_s;
  rule.windows = contract.windows;
  rule.trial_s = contract.unit == SampleUnit::trials ? contract.window_volumes * contract.tr_s : 0;
  return rule;
}

LearningProblem labelled_problem(const TrainedModel& model, const std::shared_ptr<const std::vector<LearningRun>>& runs,
                                 LabelRule rule) {
  require_known_labels(model, *runs, rule);
  return make_unsplit_problem(runs, {model.contract->labels}, rule_of(*model.contract, std::move(rule)),
                              model.contract->unit);
}

std::vector<Sample> sliding_windows(const InputContract& contract, const LearningRun& run, int index, int step) {
  check_keep_mask(run);
  const int volumes = static_cast<int>(run.series.volumes());
  int length = contract.window_volumes;
  if (contract.unit == SampleUnit::volumes) length = step = 1;
  if (contract.unit == SampleUnit::runs) length = step = volumes;
  if (length > volumes) {
    log_warning(fmt::format("run '{}' has {} volumes, fewer than the {} of the model's window: it is one window",
                            run.id, volumes, length));
    length = volumes;
  }
  std::vector<Sample> samples;
  for (int first = 0; first + length <= volumes; first += step) {
    std::vector<int> kept;
    for (int v = first; v < first + length; ++v) {
      if (run.series.keep[static_cast<std::size_t>(v)]) kept.push_back(v);
    }
    if (!kept.empty()) samples.push_back(equal_weights(index, std::move(kept)));
  }
  return samples;
}

}  // namespace noema
