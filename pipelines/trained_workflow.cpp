#include "noema/pipelines/trained_workflow.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/softmax.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/table.h"
#include "noema/pipelines/command_output.h"
#include "noema/pipelines/connectome_output.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/preprocess_config.h"
#include "noema/pipelines/staged_output.h"
#include "noema/pipelines/surfaces.h"
#include "noema/pipelines/workflow_data.h"
#include "noema/pipelines/workflow_output.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

void require_agreement(const InputContract& contract, const WorkflowInput& input) {
  if (contract.features.count() != input.features || contract.tr_s != input.tr_s) {
    throw DataError(fmt::format("its contract has {} features at {} s, its workflow {} at {} s",
                                contract.features.count(), contract.tr_s, input.features, input.tr_s));
  }
  if (static_cast<std::int64_t>(input.confound_names.size()) != input.confounds) {
    throw DataError(fmt::format("found the names of {} confounds, expected {}: train it again with this version",
                                input.confound_names.size(), input.confounds));
  }
}

std::string list_of(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{} ({})", names.size(), fmt::join(names, ", "));
}

/// What the last readout says of each run: probabilities of classes, or a number.
void write_scores(const fs::path& path, const TrainedWorkflow& model, const std::vector<RunSeries>& series,
                  const PreparedData& data, const std::string& readout) {
  const at::NoGradGuard no_gradients;
  const nlohmann::json facts = nlohmann::json::parse(model.readout);
  const std::vector<std::string> classes = facts.value("classes", std::vector<std::string>{});
  std::vector<std::string> run, subject, predicted;
  std::vector<std::vector<double>> columns(std::max<std::size_t>(1, classes.size()));
  for (std::size_t r = 0; r < series.size(); ++r) {
    at::Tensor scores = model.workflow->forward({series[r]}).at(readout).tensor[0];
    run.push_back(data.runs->at(r).id);
    subject.push_back(data.runs->at(r).subject);
    if (classes.empty()) {
      columns[0].push_back(scores[0].item<double>() * facts.value("sd", 1.0) + facts.value("mean", 0.0));
      continue;
    }
    scores = at::softmax(scores, 0);
    predicted.push_back(classes.at(static_cast<std::size_t>(scores.argmax().item<std::int64_t>())));
    for (std::size_t k = 0; k < classes.size(); ++k) {
      columns[k].push_back(scores[static_cast<std::int64_t>(k)].item<double>());
    }
  }
  Table table;
  table.add("run", run);
  table.add("subject", subject);
  if (!classes.empty()) table.add("predicted", predicted);
  for (std::size_t k = 0; k < columns.size(); ++k) {
    table.add(classes.empty() ? "predicted" : "probability_" + classes[k], columns[k], 9);
  }
  write_table(path, table);
}

PrepareOptions prepare_for(const TrainedWorkflow& model, const PrepareOptions& asked) {
  PrepareOptions prepare = asked;
  prepare.contract = model.contract;
  const auto surfaces = prepare.preprocess.surfaces;
  prepare.preprocess = preprocess_from_toml(model.contract->preprocessing);
  prepare.preprocess.surfaces = surfaces;
  return prepare;
}

}  // namespace

TrainedWorkflow open_workflow(const fs::path& path) {
  ModelFile file = read_model(path);
  if (file.kind != "workflow") {
    throw UsageError(fmt::format("'{}': found a model of kind '{}', expected a workflow of noema fit-connectome",
                                 path.string(), file.kind));
  }
  TrainedWorkflow model;
  with_context(fmt::format("the workflow '{}'", path.string()), [&] {
    const auto readout = file.content.metadata.find("readout");
    model.readout = readout == file.content.metadata.end() ? "{}" : readout->second;
    model.workflow = Workflow::load(file.content);
    require_agreement(file.contract, model.workflow->input());
  });
  model.contract = std::make_shared<const InputContract>(std::move(file.contract));
  return model;
}

void require_confounds(const std::vector<std::string>& expected, const std::vector<std::string>& found) {
  if (expected == found) return;
  throw DataError(
      fmt::format("confounds: found {} that all runs have, expected {} as the workflow was trained on, in that order; "
                  "take runs whose confounds files have the same columns, or train it on these",
                  list_of(found), list_of(expected)));
}

Results apply_workflow(const ApplyWorkflowOptions& options) {
  const TrainedWorkflow model = open_workflow(options.model);
  const PrepareOptions prepare = prepare_for(model, options.prepare);
  const fs::path& folder = prepare.output;
  const WarningCollector warnings;
  Stopwatch watch;
  const auto begin = [&](const std::vector<LearningRun>&) {
    open_output_folder(folder, "connectome", prepare.configuration);
  };
  const PreparedData data = watch.time("preprocessing", [&] { return prepare_dataset(prepare, begin); });
  Results results = start_results("connectome", data);
  if (prepare.level == AnalysisLevel::participant) return results;
  require_confounds(model.workflow->input().confound_names, confound_names(data));
  const std::vector<SurfaceMesh> meshes = read_meshes(prepare.surfaces, data.features->mask.grid);
  const std::vector<RunSeries> series = series_of_runs(data, folder);
  const std::string readout = model.workflow->last_block(FlowKind::scores);
  std::vector<ConnectomeOutput> outputs =
      watch.time("connectivity", [&] { return matrices_of_workflow(*model.workflow, series, data, meshes); });
  if (outputs.empty()) throw UsageError("the workflow gives series alone, expected one that makes matrices");
  Provenance provenance = make_provenance(prepare.seed, prepare.configuration);
  provenance.inputs = data.inputs;
  provenance.inputs.push_back(record_input(options.model));
  StagedOutput staged(folder);
  results.surfaces = keep_meshes(staged.folder(), meshes);
  for (ConnectomeOutput& output : outputs) {
    output.file.provenance = provenance.to_json().dump();
    write_connectome(staged.folder(), output, results);
  }
  if (!readout.empty()) {
    results.files.emplace_back("scores.tsv");
    write_scores(staged.folder() / "scores.tsv", model, series, data, readout);
  }
  results.title = fmt::format("Connectivity of {} by a trained workflow", data.dataset.name);
  results.method.features = {fmt::format(
      "Matrices by the workflow '{}', trained before on {} regions or voxels and {} "
      "confounds; nothing was fitted on these runs.",
      options.model.filename().string(), model.contract->features.count(), model.workflow->input().confounds)};
  results.seconds = watch.seconds();
  for (const auto& entry : warnings.entries()) results.warnings[entry.message] = entry.count;
  finish_connectome(staged, data, provenance, results);
  return results;
}

}  // namespace noema
