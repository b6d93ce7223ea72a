#include "noema/pipelines/fit_connectome.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <nlohmann/json.hpp>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/atomic_file.h"
#include "noema/io/table.h"
#include "noema/learn/model_file.h"
#include "noema/learn/tensors.h"
#include "noema/pipelines/command_output.h"
#include "noema/pipelines/connectome_output.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/preprocess_config.h"
#include "noema/pipelines/staged_output.h"
#include "noema/pipelines/surfaces.h"
#include "noema/pipelines/workflow_data.h"
#include "noema/pipelines/workflow_file.h"
#include "noema/pipelines/workflow_output.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

TrainingOptions training_options(const WorkflowTraining& asked, const WorkflowRuns& runs, std::uint64_t seed) {
  TrainingOptions options;
  options.epochs = asked.epochs;
  const auto count = static_cast<int>(runs.training.runs.size());
  options.batch_size = asked.batch_size == 0 ? count : std::min(asked.batch_size, count);
  options.learning_rate = asked.learning_rate;
  options.weight_decay = 0;
  options.patience = asked.patience;
  options.seed = seed;
  options.checkpoint_interval_s = 20;
  return options;
}

struct Fitted {
  std::shared_ptr<Workflow> workflow;
  TrainingHistory history;
  LossSum training, held_out;
};

/// Starts from the training runs and learns what there is to learn. @throws UsageError if that must be and is not
Fitted fit(const WorkflowDescription& description, const WorkflowRuns& runs, TrainingOptions options,
           const fs::path& checkpoint, bool must_learn) {
  Fitted fitted;
  fitted.workflow = std::make_shared<Workflow>(description, runs.input);
  fitted.workflow->calibrate(runs.training.runs);
  const auto count = static_cast<std::int64_t>(runs.training.runs.size());
  const std::int64_t last_step =
      planned_epochs(options, count) * ((count + options.batch_size - 1) / options.batch_size);
  if (must_learn || !fitted.workflow->named_parameters().is_empty()) {
    options.checkpoint = checkpoint;
    WorkflowTask task(*fitted.workflow, runs.training, runs.held_out, last_step);
    fitted.history = train(task, options);
  }
  fitted.training = judge(*fitted.workflow, runs.training, last_step);
  fitted.held_out = judge(*fitted.workflow, runs.held_out, last_step);
  return fitted;
}

std::vector<LossRow> loss_rows(const Fitted& fixed, const Fitted& learned, const WorkflowRuns& runs) {
  const std::vector<LossDescription>& losses = learned.workflow->description().losses;
  std::vector<LossRow> rows;
  for (std::size_t l = 0; l < learned.training.terms.size(); ++l) {
    const LossValue& term = learned.training.terms[l];
    rows.push_back({term.name, term.weight, fixed.training.terms[l].value, term.value, fixed.held_out.terms[l].value,
                    learned.held_out.terms[l].value});
    const auto training = loss_by_chance(losses[l], runs.training.targets);
    const auto held_out = loss_by_chance(losses[l], runs.held_out.targets);
    if (!training || !held_out) continue;
    rows.push_back({term.name + ", by chance", term.weight, *training, *training, *held_out, *held_out});
  }
  const auto sum = [](const LossSum& all) { return all.total.item<double>(); };
  rows.push_back({"sum", 1, sum(fixed.training), sum(learned.training), sum(fixed.held_out), sum(learned.held_out)});
  return rows;
}

void write_losses(const fs::path& folder, const std::vector<LossRow>& rows) {
  std::vector<std::string> name;
  std::array<std::vector<double>, 5> numbers;
  for (const LossRow& row : rows) {
    name.push_back(row.loss);
    const double values[] = {row.weight, row.training_fixed, row.training_learned, row.held_out_fixed,
                             row.held_out_learned};
    for (std::size_t c = 0; c < numbers.size(); ++c) numbers[c].push_back(values[c]);
  }
  Table table;
  table.add("loss", name);
  const char* columns[] = {"weight", "training_fixed", "training_learned", "held_out_fixed", "held_out_learned"};
  for (std::size_t c = 0; c < numbers.size(); ++c) table.add(columns[c], numbers[c], 9);
  write_table(folder / "losses.tsv", table);
}

void write_training(const fs::path& folder, const TrainingHistory& history) {
  std::vector<double> epoch, rate, training, held_out;
  for (const EpochRecord& record : history.epochs) {
    epoch.push_back(record.epoch + 1);
    rate.push_back(record.learning_rate);
    training.push_back(record.train_loss);
    held_out.push_back(record.validation_loss);
  }
  Table table;
  table.add("epoch", epoch);
  table.add("learning_rate", rate);
  table.add("training_loss", training, 9);
  table.add("held_out_loss", held_out, 9);
  write_table(folder / "training.tsv", table);
}

std::vector<double> numbers_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().to(at::kDouble).contiguous().flatten();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

/// One column of the classical and one of the learned values; what has two axes goes row by row.
void write_quantity(const fs::path& path, const std::string& name, const at::Tensor& fixed, const at::Tensor& learned,
                    double tr_s) {
  Table table;
  const std::vector<double> values = numbers_of(learned);
  std::vector<double> row, column;
  const std::int64_t width = learned.dim() == 2 ? learned.size(1) : 1;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    row.push_back(static_cast<double>(at / width));
    column.push_back(static_cast<double>(at % width));
    if (name == "response") row.back() *= 0.5 / (tr_s * static_cast<double>(values.size() - 1));
  }
  table.add(name == "response" ? "frequency_hz" : "row", row, 9);
  if (learned.dim() == 2) table.add("column", column, 12);
  if (fixed.defined() && fixed.sizes() == learned.sizes()) table.add("fixed", numbers_of(fixed), 9);
  table.add("learned", values, 9);
  write_table(path, table);
}

/// Tables of what was learned, and the curves of filters for the report.
void write_parameters(const fs::path& folder, const Fitted& fixed, const Fitted& learned, double tr_s,
                      WorkflowFacts& facts, std::vector<std::string>& files) {
  make_folder(folder / "parameters");
  for (const BlockDescription& block : learned.workflow->description().blocks) {
    if (!block.learn || block.type == "parcellate") continue;
    const auto before = fixed.workflow->block(block.name).quantities();
    for (const auto& [name, value] : learned.workflow->block(block.name).quantities()) {
      const std::string file = fmt::format("parameters/{}_{}.tsv", bids_model_label(block.name), name);
      const auto start = before.find(name);
      write_quantity(folder / file, name, start == before.end() ? at::Tensor() : start->second, value, tr_s);
      files.push_back(file);
      if (name == "response") facts.responses.push_back({block.name, file});
    }
  }
}

/// Each voxel's parcel and its weight there, as maps.
void write_parcellation(const fs::path& folder, const PreparedData& data, const std::string& block,
                        const at::Tensor& weights, std::vector<std::string>& files) {
  const LargestRegions largest = largest_regions(weights);
  std::vector<float> labels;
  for (const std::int32_t region : largest.region) labels.push_back(static_cast<float>(region + 1));
  const std::string ending = map_ending(data.features->mask.grid), name = bids_model_label(block);
  files.push_back(write_map(folder, fmt::format("maps/desc-{}_stat-parcel_statmap{}", name, ending), *data.features,
                            labels, data.mean.header, "parcel of largest weight, from 1"));
  files.push_back(write_map(folder, fmt::format("maps/desc-{}_stat-weight_statmap{}", name, ending), *data.features,
                            largest.weight, data.mean.header, "weight in the parcel of largest weight"));
}

InputContract contract_of(const PreparedData& data, const WorkflowRuns& runs, const Provenance& provenance) {
  InputContract contract;
  contract.features = *data.features;
  contract.tr_s = runs.input.tr_s;
  contract.normalisation = "none";
  contract.preprocessing = preprocess_to_toml(data.preprocess);
  contract.labels = runs.classes;
  contract.unit = SampleUnit::runs;
  for (const RunSeries& run : runs.all.runs) {
    contract.window_volumes = std::max(contract.window_volumes, static_cast<int>(run.values.size(-1)));
  }
  contract.provenance = provenance.to_json().dump();
  return contract;
}

/// Tables and maps of the training and of what was learned.
void write_learned(const fs::path& folder, const Fitted& fixed, const Fitted& learned, const PreparedData& data,
                   const WorkflowRuns& runs, WorkflowFacts& facts, std::vector<std::string>& files) {
  write_losses(folder, facts.losses);
  write_training(folder, learned.history);
  write_split_of_runs(folder, runs, data);
  for (const char* name : {"losses.tsv", "training.tsv", "split.tsv"}) files.emplace_back(name);
  write_parameters(folder, fixed, learned, runs.input.tr_s, facts, files);
  for (const BlockDescription& block : learned.workflow->description().blocks) {
    if (block.type != "parcellate") continue;
    write_parcellation(folder, data, block.name, region_weights(*learned.workflow, block.name), files);
  }
}

std::vector<TrainingCurves> curves_of(const TrainingHistory& history) {
  TrainingCurves training{"workflow", "training loss", {{}}}, held_out{"workflow", "loss of held-out data", {{}}};
  for (const EpochRecord& record : history.epochs) {
    training.runs[0].push_back(record.train_loss);
    held_out.runs[0].push_back(record.validation_loss);
  }
  if (history.epochs.empty()) return {};
  return {training, held_out};
}

void say_losses(const std::vector<LossRow>& rows) {
  for (const LossRow& row : rows) {
    log_info(fmt::format("{:<32} held out: {:.5g} with everything fixed, {:.5g} learned", row.loss, row.held_out_fixed,
                         row.held_out_learned));
  }
}

}  // namespace

Results fit_connectome(const FitConnectomeOptions& options) {
  const WorkflowFile file = read_workflow_file(options.workflow);
  const PrepareOptions prepare = prepare_for_workflow(options.prepare, file.workflow);
  const fs::path& folder = prepare.output;
  const WarningCollector warnings;
  Stopwatch watch;
  const auto begin = [&](const std::vector<LearningRun>& runs) {
    if (prepare.level != AnalysisLevel::participant) require_sizes(file, runs, prepare.seed);
    open_output_folder(folder, "fit-connectome", prepare.configuration);
  };
  const PreparedData data = watch.time("preprocessing", [&] { return prepare_dataset(prepare, begin); });
  Results results = start_results("fit-connectome", data);
  if (prepare.level == AnalysisLevel::participant) return results;
  WorkflowRuns runs = watch.time("runs", [&] { return gather_runs(options.prepare, file, data); });
  log_info(runs.split_note);

  const TrainingOptions training = training_options(file.training, runs, prepare.seed);
  const fs::path checkpoints = checkpoint_folder(folder);
  make_folder(checkpoints);
  const Fitted fixed = watch.time("baseline", [&] {
    return fit(with_all_fixed(file.workflow), runs, training, checkpoints / "fixed.safetensors", false);
  });
  const Fitted learned = watch.time(
      "training", [&] { return fit(file.workflow, runs, training, checkpoints / "workflow.safetensors", true); });

  Provenance provenance = make_provenance(prepare.seed, prepare.configuration);
  provenance.inputs = data.inputs;
  std::vector<ConnectomeOutput> matrices = watch.time("connectivity", [&] {
    return matrices_of_workflow(*learned.workflow, runs.all.runs, data,
                                read_meshes(prepare.surfaces, data.features->mask.grid));
  });
  StagedOutput staged(folder);
  WorkflowFacts facts;
  facts.toml = file.text;
  facts.losses = loss_rows(fixed, learned, runs);
  write_learned(staged.folder(), fixed, learned, data, runs, facts, results.files);
  for (ConnectomeOutput& output : matrices) {
    output.run_tables = false;
    output.file.provenance = provenance.to_json().dump();
    write_connectome(staged.folder(), output, results);
  }
  SafeTensors content = learned.workflow->save();
  content.metadata["readout"] = readout_facts(runs);
  results.files.emplace_back("model-workflow.safetensors");
  write_model(staged.folder() / results.files.back(), {"workflow", contract_of(data, runs, provenance), content});
  say_losses(facts.losses);
  results.workflow = facts;
  results.training = curves_of(learned.history);
  results.title = fmt::format("A workflow of connectivity, trained on {}", data.dataset.name);
  results.split.checks = {runs.split_note};
  results.method.features = {runs.features_note};
  results.seconds = watch.seconds();
  for (const auto& entry : warnings.entries()) results.warnings[entry.message] = entry.count;
  finish_connectome(staged, data, provenance, results);
  remove_checkpoints(folder);
  return results;
}

}  // namespace noema
