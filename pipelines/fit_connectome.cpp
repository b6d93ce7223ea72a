#include "noema/pipelines/fit_connectome.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/atomic_file.h"
#include "noema/io/table.h"
#include "noema/learn/model_file.h"
#include "noema/learn/tensors.h"
#include "noema/pipelines/command_output.h"
#include "noema/pipelines/connectome.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/preprocess_config.h"
#include "noema/pipelines/region_places.h"
#include "noema/pipelines/surfaces.h"
#include "noema/pipelines/workflow_data.h"
#include "noema/pipelines/workflow_file.h"

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

std::vector<LossRow> loss_rows(const Fitted& fixed, const Fitted& learned) {
  std::vector<LossRow> rows;
  for (std::size_t l = 0; l < learned.training.terms.size(); ++l) {
    const LossValue& term = learned.training.terms[l];
    rows.push_back({term.name, term.weight, fixed.training.terms[l].value, term.value, fixed.held_out.terms[l].value,
                    learned.held_out.terms[l].value});
  }
  const auto sum = [](const LossSum& losses) { return losses.total.item<double>(); };
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
  const auto [largest, parcel] = weights.detach().max(0);
  std::vector<float> labels, shares;
  for (std::int64_t v = 0; v < weights.size(1); ++v) {
    shares.push_back(largest[v].item<float>());
    labels.push_back(shares.back() > 0 ? static_cast<float>(parcel[v].item<std::int64_t>() + 1) : 0.F);
  }
  const std::string ending = map_ending(data.features->mask.grid), name = bids_model_label(block);
  files.push_back(write_map(folder, fmt::format("maps/desc-{}_stat-parcel_statmap{}", name, ending), *data.features,
                            labels, data.mean.header, "parcel of largest weight, from 1"));
  files.push_back(write_map(folder, fmt::format("maps/desc-{}_stat-weight_statmap{}", name, ending), *data.features,
                            shares, data.mean.header, "weight in the parcel of largest weight"));
}

/// The features of the matrices: parcels of the last parcellation, else those of the input.
FeatureSpace regions_of(const Workflow& workflow, const WorkflowRuns& runs, const PreparedData& data) {
  FeatureSpace space = *data.features;
  for (const BlockDescription& block : workflow.description().blocks) {
    if (block.type != "parcellate") continue;
    const at::Tensor weights = workflow.block(block.name).quantities().at("weights").detach();
    const auto [largest, parcel] = weights.max(0);
    space.kind = FeatureKind::parcels;
    space.parcel_of_voxel.clear();
    for (std::int64_t v = 0; v < weights.size(1); ++v) {
      space.parcel_of_voxel.push_back(
          largest[v].item<double>() > 0 ? static_cast<std::int32_t>(parcel[v].item<std::int64_t>()) : -1);
    }
    space.names = runs.parcel_names;
    for (std::int64_t p = 0;
         static_cast<std::int64_t>(runs.parcel_names.size()) != weights.size(0) && p < weights.size(0); ++p) {
      if (p == 0) space.names.clear();
      space.names.push_back(fmt::format("parcel-{:03}", p + 1));
    }
  }
  return space;
}

/// The last matrices that are not displacements, which cancel over runs.
std::string shown_block(const Workflow& workflow) {
  std::string shown;
  for (const BlockDescription& block : workflow.description().blocks) {
    if (block_type(block.type).to == FlowKind::matrices && block.type != "tangent") shown = block.name;
  }
  return shown;
}

/// Matrices of all runs by the trained workflow, as `noema connectome` writes them.
void write_matrices(const PrepareOptions& prepare, const Workflow& workflow, const WorkflowRuns& runs,
                    const PreparedData& data, const Provenance& provenance, Results& results) {
  const std::string block = shown_block(workflow);
  if (block.empty()) return;
  const fs::path& folder = prepare.output;
  const at::NoGradGuard no_gradients;
  ConnectomeFile file;
  file.regions =
      region_places(regions_of(workflow, runs, data), read_meshes(prepare.surfaces, data.features->mask.grid));
  file.provenance = provenance.to_json().dump();
  ConnectomeMatrices matrices{
      block,
      {},
      MatrixD::Zero(static_cast<Eigen::Index>(file.regions.size()), static_cast<Eigen::Index>(file.regions.size()))};
  const at::Tensor shares = subject_shares(*data.runs) / subject_shares(*data.runs).sum();
  for (std::size_t r = 0; r < data.runs->size(); ++r) {
    file.runs.push_back(data.runs->at(r).id);
    file.subjects.push_back(data.runs->at(r).subject);
    matrices.runs.push_back(to_matrix(workflow.forward({runs.all.runs[r]}).at(block).tensor[0]));
    matrices.group += shares[static_cast<std::int64_t>(r)].item<double>() * matrices.runs.back();
  }
  file.kinds = {matrices};
  write_connectome_file(folder / "connectome.h5", file);
  const std::string group = fmt::format("group/group_stat-{}_relmat.tsv", bids_model_label(block));
  write_matrix(folder / group, file.regions, matrices.group);
  results.connectome = ConnectomeFacts{
      write_regions(folder, file.regions),
      {{block, fmt::format("'{}' of the trained workflow, mean of {} runs", block, file.runs.size()), group}}};
  for (const char* name : {"regions.tsv", "connectome.h5"}) results.files.emplace_back(name);
  results.files.push_back(group);
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
  open_output_folder(folder, "fit-connectome", prepare.configuration);
  const PreparedData data = watch.time("preprocessing", [&] { return prepare_dataset(prepare); });
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
  SafeTensors content = learned.workflow->save();
  content.metadata["readout"] = readout_facts(runs);
  write_model(folder / "model-workflow.safetensors", {"workflow", contract_of(data, runs, provenance), content});
  WorkflowFacts facts;
  facts.toml = file.text;
  facts.losses = loss_rows(fixed, learned);
  write_losses(folder, facts.losses);
  write_training(folder, learned.history);
  write_split_of_runs(folder, runs, data);
  for (const char* name : {"model-workflow.safetensors", "losses.tsv", "training.tsv", "split.tsv"}) {
    results.files.emplace_back(name);
  }
  write_parameters(folder, fixed, learned, runs.input.tr_s, facts, results.files);
  for (const BlockDescription& block : learned.workflow->description().blocks) {
    if (block.type != "parcellate") continue;
    write_parcellation(folder, data, block.name, learned.workflow->block(block.name).quantities().at("weights"),
                       results.files);
  }
  watch.time("connectivity", [&] { write_matrices(prepare, *learned.workflow, runs, data, provenance, results); });
  say_losses(facts.losses);
  results.workflow = facts;
  results.training = curves_of(learned.history);
  results.title = fmt::format("A workflow of connectivity, trained on {}", data.dataset.name);
  results.split.checks = {runs.split_note};
  results.method.features = {runs.features_note};
  results.seconds = watch.seconds();
  for (const auto& entry : warnings.entries()) results.warnings[entry.message] = entry.count;
  finish_connectome(folder, data, provenance, results);
  remove_checkpoints(folder);
  return results;
}

}  // namespace noema
