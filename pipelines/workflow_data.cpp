#include "noema/pipelines/workflow_data.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "noema/core/error.h"
#include "noema/io/sample_store.h"
#include "noema/io/table.h"
#include "noema/learn/labels.h"
#include "noema/learn/tensors.h"
#include "noema/pipelines/region_places.h"
#include "noema/pipelines/subject_series.h"
#include "noema/pipelines/to_grid.h"

namespace noema {
namespace {

constexpr int kDefaultParcels = 100;

const BlockDescription* first_parcellation(const WorkflowDescription& workflow) {
  for (const BlockDescription& block : workflow.blocks) {
    if (block.type == "parcellate") return &block;
  }
  return nullptr;
}

bool has_loss(const WorkflowDescription& workflow, const std::string& type) {
  return std::any_of(workflow.losses.begin(), workflow.losses.end(),
                     [&](const LossDescription& loss) { return loss.type == type; });
}

bool has_block(const WorkflowDescription& workflow, const std::string& type) {
  return std::any_of(workflow.blocks.begin(), workflow.blocks.end(),
                     [&](const BlockDescription& block) { return block.type == type; });
}

at::Tensor transposed(const MatrixF& values) {
  const MatrixD rows = values.cast<double>().transpose();
  return tensor_of(rows);
}

at::Tensor transposed(const MatrixD& values) {
  const MatrixD rows = values.transpose();
  return tensor_of(rows);
}

/// (T, K): as the subject's file holds them, in float64; the prepared nuisance series are float32.
MatrixD stored_confounds(const LearningRun& run, const std::filesystem::path& output,
                         const std::vector<std::string>& names) {
  if (names.empty()) return MatrixD::Zero(run.series.volumes(), 0);
  const SampleStore store = SampleStore::open(series_path(output, run.subject));
  const auto at = std::find_if(store.runs().begin(), store.runs().end(),
                               [&](const StoredRunInfo& info) { return info.id == run.id; });
  if (at == store.runs().end()) throw DataError(fmt::format("run '{}' is not in its subject's file", run.id));
  const StoredRun stored = store.read_run(at - store.runs().begin());
  MatrixD values(stored.nuisance.rows(), static_cast<Eigen::Index>(names.size()));
  for (std::size_t c = 0; c < names.size(); ++c) {
    const auto column =
        std::find(stored.nuisance_names.begin(), stored.nuisance_names.end(), std::string(kConfoundPrefix) + names[c]);
    values.col(static_cast<Eigen::Index>(c)) = stored.nuisance.col(column - stored.nuisance_names.begin());
  }
  return values;
}

/// The parcels that a parcellation starts from: of the atlas, else geometric ones.
void add_labels(const PrepareOptions& asked, const WorkflowDescription& workflow, const PreparedData& data,
                WorkflowRuns& runs) {
  const BlockDescription* block = first_parcellation(workflow);
  if (block == nullptr) return;
  const std::vector<SettingSpec>& specs = block_type("parcellate").settings;
  const bool random = word_of(specs, block->settings, "start") == "random";  // the labels are the fixed workflow's
  const char* beginning = random ? "With everything fixed, parcels are" : "The parcellation starts from";
  const Mask& mask = data.features->mask;
  std::vector<std::string> notes;
  FeatureSpace parcels;
  if (!asked.atlas.empty()) {
    const TargetGrid target{mask.grid, data.files.front().bold, asked.allow_resample};
    parcels = make_feature_space(atlas_on_grid(asked.atlas, asked.atlas_names, target, notes), mask);
    if (parcels.kind != FeatureKind::parcels) {
      throw UsageError(
          fmt::format("--atlas: '{}' holds maps; a parcellation starts from an image of labels", asked.atlas.string()));
    }
    runs.features_note += fmt::format(" {} the {} regions of the atlas '{}'.", beginning, parcels.count(),
                                      asked.atlas.filename().string());
  } else {
    const auto wanted = static_cast<int>(number_of(specs, block->settings, "parcels"));
    const int count = static_cast<int>(std::min<std::int64_t>(wanted > 0 ? wanted : kDefaultParcels, mask.size()));
    parcels = make_feature_space(geometric_parcels(mask, count, asked.seed), mask);
    runs.features_note += fmt::format(" {} {} geometric parcels.", beginning, parcels.count());
  }
  std::vector<std::int64_t> labels(parcels.parcel_of_voxel.begin(), parcels.parcel_of_voxel.end());
  runs.input.labels = at::tensor(labels, at::kLong);
  runs.input.parcel_names = parcels.names;
}

at::Tensor places_of(const FeatureSpace& features) {
  std::vector<double> values;
  for (const ConnectomeRegion& region : region_places(features)) {
    values.insert(values.end(), region.ras_mm.begin(), region.ras_mm.end());
  }
  return at::tensor(values, at::kDouble).reshape({-1, 3});
}

std::vector<double> mean_displacement(const PreparedData& data) {
  const auto at = std::find(data.nuisance_names.begin(), data.nuisance_names.end(), "framewise_displacement");
  if (at == data.nuisance_names.end()) {
    throw DataError(
        "the loss qc-fc needs framewise displacement, and the runs have no confounds with it; name a column of "
        "participants.tsv with quality = \"…\" under [training]");
  }
  const Eigen::Index column = at - data.nuisance_names.begin();
  std::vector<double> means;
  for (const LearningRun& run : *data.nuisance) means.push_back(run.series.values.col(column).cast<double>().mean());
  return means;
}

std::vector<std::string> words_of(const PreparedData& data, const std::string& source) {
  std::vector<std::string> words;
  for (const Run& run : data.files) words.push_back(run_level_label(run, data.dataset.participants, source));
  return words;
}

std::vector<double> numbers_of(const PreparedData& data, const std::string& source) {
  std::vector<double> numbers;
  for (const std::string& word : words_of(data, source)) {
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size()) {
      throw DataError(fmt::format("'{}': found '{}', expected a number for every run", source, word));
    }
    numbers.push_back(value);
  }
  return numbers;
}

const std::string& unit_of(const LearningRun& run, const WorkflowTraining& training) {
  return training.split == "run" ? run.id : run.subject;
}

struct HeldOut {
  /// Of each run.
  std::vector<bool> is_held_out;
  std::string note;
};

HeldOut choose_held_out(const WorkflowTraining& training, const std::vector<LearningRun>& runs, std::uint64_t seed) {
  std::set<std::string> all;
  for (const LearningRun& run : runs) all.insert(unit_of(run, training));
  const std::vector<std::string> units(all.begin(), all.end());
  std::set<std::string> held(training.held_out.begin(), training.held_out.end());
  for (const std::string& name : held) {
    if (!all.contains(name)) {
      throw UsageError(
          fmt::format("held-out: found {} '{}', expected some of {}", training.split, name, fmt::join(units, ", ")));
    }
  }
  if (units.size() < 2) {
    throw DataError(fmt::format("found one {0} ({1}), expected two or more, to hold some out{2}", training.split,
                                units.front(), training.split == "subject" ? "; split = \"run\" holds runs out" : ""));
  }
  if (held.empty()) {
    const auto count =
        static_cast<std::size_t>(std::clamp(std::round(training.validation * static_cast<double>(units.size())), 1.0,
                                            static_cast<double>(units.size() - 1)));
    const auto order = RandomStream(seed, "held-out").permutation(static_cast<std::int64_t>(units.size()));
    for (std::size_t i = 0; i < count; ++i) held.insert(units[static_cast<std::size_t>(order[i])]);
  }
  if (held.size() == units.size()) throw UsageError("held-out: names all there are, so that none is left to train on");
  HeldOut chosen;
  chosen.note =
      fmt::format("Held out: {} of {} {}s ({}).", held.size(), units.size(), training.split, fmt::join(held, ", "));
  for (const LearningRun& run : runs) chosen.is_held_out.push_back(held.contains(unit_of(run, training)));
  return chosen;
}

/// A correlation over runs needs three of them, in each batch and among those held out.
void require_runs_for_qc_fc(const WorkflowTraining& training, const HeldOut& chosen) {
  constexpr std::int64_t kLeast = 3;
  const auto held = std::count(chosen.is_held_out.begin(), chosen.is_held_out.end(), true);
  const std::int64_t trained = static_cast<std::int64_t>(chosen.is_held_out.size()) - held;
  if (held < kLeast || trained < kLeast) {
    throw DataError(
        fmt::format("the loss qc-fc correlates edges with the quality over runs: found {} training and {} held-out "
                    "runs, expected {} or more of each, and better many: change validation or held-out under "
                    "[training], or give more subjects. {}",
                    trained, held, kLeast, chosen.note));
  }
  const std::int64_t batch = training.batch_size == 0 ? trained : std::min<std::int64_t>(training.batch_size, trained);
  const std::int64_t last = trained % batch == 0 ? batch : trained % batch;
  if (last >= kLeast) return;
  throw UsageError(
      fmt::format("the loss qc-fc: found batch-size = {} of {} training runs, of which the last batch has {}, expected "
                  "{} or more runs in each: leave batch-size out, for all runs at once",
                  training.batch_size, trained, last, kLeast));
}

std::vector<std::int64_t> indices_of(const WorkflowRuns& runs, bool held_out) {
  std::vector<std::int64_t> indices;
  for (std::size_t r = 0; r < runs.is_held_out.size(); ++r) {
    if (runs.is_held_out[r] == held_out) indices.push_back(static_cast<std::int64_t>(r));
  }
  return indices;
}

WorkflowData part_of(const WorkflowRuns& runs, bool held_out) {
  const std::vector<std::int64_t> indices = indices_of(runs, held_out);
  WorkflowData part;
  for (const std::int64_t r : indices) part.runs.push_back(runs.all.runs[static_cast<std::size_t>(r)]);
  part.targets = runs.all.targets.of(at::tensor(indices, at::kLong));
  return part;
}

void add_classes(const PreparedData& data, const std::string& source, WorkflowRuns& runs) {
  const std::vector<std::string> words = words_of(data, source);
  const std::set<std::string> all(words.begin(), words.end());
  runs.classes.assign(all.begin(), all.end());
  if (all.size() < 2) throw DataError(fmt::format("target '{}': found one class, expected two or more", source));
  std::vector<std::int64_t> classes;
  std::set<std::int64_t> trained;
  for (std::size_t r = 0; r < words.size(); ++r) {
    classes.push_back(std::distance(all.begin(), all.find(words[r])));
    if (!runs.is_held_out[r]) trained.insert(classes.back());
  }
  if (trained.size() < all.size()) {
    throw DataError(
        fmt::format("target '{}': a class has no training run; hold out others (held-out, or another "
                    "--seed)",
                    source));
  }
  runs.all.targets.classes = at::tensor(classes, at::kLong);
  runs.input.outputs = static_cast<std::int64_t>(all.size());
}

void add_numbers(const PreparedData& data, const std::string& source, WorkflowRuns& runs) {
  const at::Tensor numbers = at::tensor(numbers_of(data, source), at::kDouble);
  const at::Tensor trained = numbers.index_select(0, at::tensor(indices_of(runs, false), at::kLong));
  runs.target_mean = trained.mean().item<double>();
  runs.target_sd = (trained - trained.mean()).square().mean().sqrt().item<double>();
  if (!(runs.target_sd > 0)) throw DataError(fmt::format("target '{}': is the same for all training runs", source));
  runs.all.targets.numbers = (numbers - runs.target_mean) / runs.target_sd;
  runs.input.outputs = 1;
}

void add_targets(const WorkflowFile& file, const PreparedData& data, WorkflowRuns& runs) {
  const bool classes = has_loss(file.workflow, "cross-entropy"), numbers = has_loss(file.workflow, "squared-error");
  if (has_block(file.workflow, "readout")) {
    if (classes == numbers)
      throw UsageError("workflow: a readout needs a loss: cross-entropy or squared-error, not both");
    if (file.training.target.empty()) {
      throw UsageError(
          "workflow: a readout needs target = \"…\" under [training]: an entity of the runs' names or a "
          "column of participants.tsv");
    }
    classes ? add_classes(data, file.training.target, runs) : add_numbers(data, file.training.target, runs);
  }
  if (has_loss(file.workflow, "qc-fc")) {
    runs.all.targets.quality = at::tensor(
        file.training.quality.empty() ? mean_displacement(data) : numbers_of(data, file.training.quality), at::kDouble);
  }
  if (has_loss(file.workflow, "compactness")) {
    if (data.features->mask.grid.grayordinates != nullptr) {
      throw UsageError("the loss compactness needs places in mm, which grayordinates have not");
    }
    runs.all.targets.coordinates = places_of(*data.features);
  }
}

}  // namespace

std::vector<std::string> confound_names(const PreparedData& data) {
  std::vector<std::string> names;
  for (const std::string& name : data.nuisance_names) {
    if (name.starts_with(kConfoundPrefix)) names.push_back(name.substr(kConfoundPrefix.size()));
  }
  return names;
}

std::vector<RunSeries> series_of_runs(const PreparedData& data, const std::filesystem::path& output) {
  const std::vector<std::string> names = confound_names(data);
  std::vector<RunSeries> runs;
  for (std::size_t r = 0; r < data.runs->size(); ++r) {
    const Series& series = data.runs->at(r).series;
    RunSeries run;
    run.values = transposed(series.values);
    run.confounds = transposed(stored_confounds(data.runs->at(r), output, names));
    const std::vector<std::int64_t> keep(series.keep.begin(), series.keep.end());
    run.keep = at::tensor(keep, at::kLong).to(at::kBool);
    runs.push_back(std::move(run));
  }
  return runs;
}

void require_sizes(const WorkflowFile& file, const std::vector<LearningRun>& runs, std::uint64_t seed) {
  const HeldOut chosen = choose_held_out(file.training, runs, seed);
  if (has_loss(file.workflow, "qc-fc")) require_runs_for_qc_fc(file.training, chosen);
}

PrepareOptions prepare_for_workflow(const PrepareOptions& asked, const WorkflowDescription& workflow) {
  PrepareOptions prepare = asked;
  prepare.high_pass_hz = {AutoNumber::Kind::none, 0};
  prepare.preprocess.clean = {};
  prepare.preprocess.clean.detrend = false;
  prepare.preprocess.clean.standardize = Standardize::none;
  prepare.preprocess.regress_confounds = false;
  if (first_parcellation(workflow) == nullptr) {
    if (prepare.atlas.empty() && prepare.spheres.empty() && prepare.features == "auto") prepare.features = "parcels";
    return prepare;
  }
  if (!prepare.spheres.empty()) throw UsageError("--spheres: the workflow parcellates voxels; give --atlas or nothing");
  // Voxels without a label belong to no parcel.
  prepare.features = prepare.atlas.empty() ? "voxels" : "atlas-voxels";
  return prepare;
}

WorkflowRuns gather_runs(const PrepareOptions& asked, const WorkflowFile& file, const PreparedData& data) {
  WorkflowRuns runs;
  require_sizes(file, *data.runs, asked.seed);  // subjects may have failed
  runs.all.runs = series_of_runs(data, asked.output);
  runs.input.features = data.features->count();
  runs.input.confound_names = confound_names(data);
  runs.input.confounds = static_cast<std::int64_t>(runs.input.confound_names.size());
  runs.input.tr_s = data.runs->front().series.tr_s;
  runs.input.seed = asked.seed;
  runs.features_note =
      fmt::format("{} features and {} confounds that all runs have{}{}.", runs.input.features, runs.input.confounds,
                  runs.input.confound_names.empty() ? "" : ": ", fmt::join(runs.input.confound_names, ", "));
  add_labels(asked, file.workflow, data, runs);
  HeldOut chosen = choose_held_out(file.training, *data.runs, asked.seed);
  runs.is_held_out = std::move(chosen.is_held_out);
  runs.split_note = std::move(chosen.note);
  add_targets(file, data, runs);
  runs.training = part_of(runs, false);
  runs.held_out = part_of(runs, true);
  return runs;
}

void write_split_of_runs(const std::filesystem::path& folder, const WorkflowRuns& runs, const PreparedData& data) {
  std::vector<std::string> run, subject, set;
  for (std::size_t r = 0; r < data.runs->size(); ++r) {
    run.push_back(data.runs->at(r).id);
    subject.push_back(data.runs->at(r).subject);
    set.emplace_back(runs.is_held_out[r] ? "held out" : "training");
  }
  Table table;
  table.add("run", run);
  table.add("subject", subject);
  table.add("set", set);
  write_table(folder / "split.tsv", table);
}

std::string readout_facts(const WorkflowRuns& runs) {
  if (!runs.classes.empty()) return nlohmann::json{{"classes", runs.classes}}.dump();
  if (runs.input.outputs == 0) return "{}";
  return nlohmann::json{{"mean", runs.target_mean}, {"sd", runs.target_sd}}.dump();
}

}  // namespace noema
