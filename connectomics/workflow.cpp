#include "noema/connectomics/workflow.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"
#include "noema/learn/tensors.h"

namespace noema {
namespace {

using nlohmann::json;

constexpr const char* kKey = "workflow";
constexpr const char* kLabels = "starting_labels";

bool inverts(const std::string& type) {
  return type == "precision" || type == "partial-correlation" || type == "tangent";
}

/// Does a block behind this one need matrices of full rank?
bool needs_full_rank(const WorkflowDescription& description, const std::string& name) {
  for (const BlockDescription& block : description.blocks) {
    if (block.input == name && (inverts(block.type) || needs_full_rank(description, block.name))) return true;
  }
  return false;
}

void check_run(const RunSeries& run, const WorkflowInput& input) {
  require_dimensions(run.values, "series", 2, "(F, T)");
  require_size(run.values, "series", -2, input.features);
  if (!run.confounds.defined()) throw ShapeError("confounds: found no tensor, expected (K, T) with K from 0 on");
  require_size(run.confounds, "confounds", -2, input.confounds);
  require_size(run.confounds, "confounds", -1, run.values.size(-1));
  if (!run.keep.defined() || run.keep.scalar_type() != at::kBool || run.keep.dim() != 1) {
    throw ShapeError("mask of kept frames: expected bool (T)");
  }
  require_size(run.keep, "mask of kept frames", 0, run.values.size(-1));
  if (!run.keep.any().item<bool>()) {
    throw DataError("found all frames of a run censored, expected some that are kept: censor less, or leave it out");
  }
}

void take(at::Tensor& to, const SafeTensors& content, const std::string& name) {
  const at::Tensor from = tensor_of(content.tensor(name));
  if (from.sizes() != to.sizes()) {
    throw DataError(fmt::format("the workflow's '{}': found shape {}, expected {}", name, shape_text(from.sizes()),
                                shape_text(to.sizes())));
  }
  const at::NoGradGuard no_gradients;
  to.copy_(from);
}

}  // namespace

Workflow::Workflow(const WorkflowDescription& description, const WorkflowInput& input)
    : description_(completed(description)), input_(input) {
  std::map<std::string, FlowShape> shapes{{"input", {input.features, input.confounds}}};
  for (const BlockDescription& block : description_.blocks) {
    const FlowShape& in = shapes.at(block.input);
    with_context(fmt::format("block '{}'", block.name), [&] {
      blocks_.push_back(make_workflow_block(block, in, input_, needs_full_rank(description_, block.name)));
      shapes[block.name] = blocks_.back()->shape(in);
      // Names of modules may hold no dots.
      std::string name = block.name;
      std::replace(name.begin(), name.end(), '.', '_');
      register_module(name, blocks_.back());
    });
  }
}

template <class Visit>
WorkflowOutputs Workflow::run(const std::vector<RunSeries>& runs, const Visit& visit) const {
  if (runs.empty()) throw DataError("workflow: found no runs, expected at least one");
  for (const RunSeries& run : runs) check_run(run, input_);
  WorkflowOutputs outputs;
  outputs["input"].runs = runs;
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    const BlockDescription& block = description_.blocks[b];
    with_context(fmt::format("block '{}'", block.name), [&] {
      const Flow& in = outputs.at(block.input);
      visit(*blocks_[b], in);
      outputs[block.name] = blocks_[b]->forward(in);
    });
  }
  return outputs;
}

void Workflow::calibrate(const std::vector<RunSeries>& training) {
  const at::NoGradGuard no_gradients;
  run(training, [](WorkflowBlock& block, const Flow& in) { block.calibrate(in); });
}

WorkflowOutputs Workflow::forward(const std::vector<RunSeries>& runs) const {
  return run(runs, [](const WorkflowBlock&, const Flow&) {});
}

const WorkflowBlock& Workflow::block(const std::string& name) const {
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    if (description_.blocks[b].name == name) return *blocks_[b];
  }
  throw UsageError(fmt::format("the workflow has no block '{}'", name));
}

std::string Workflow::last_block(FlowKind kind) const {
  for (std::size_t b = blocks_.size(); b-- > 0;) {
    if (block_type(description_.blocks[b].type).to == kind) return description_.blocks[b].name;
  }
  return {};
}

SafeTensors Workflow::save() const {
  SafeTensors content;
  const at::NoGradGuard no_gradients;
  for (const auto& item : named_parameters()) content.tensors[item.key()] = to_tensor_data(item.value());
  for (const auto& item : named_buffers()) content.tensors[item.key()] = to_tensor_data(item.value());
  if (input_.labels.defined()) content.tensors[kLabels] = to_tensor_data(input_.labels);
  json all = json::parse(to_json_text(description_));
  all["input"] = {
      {"features", input_.features},        {"confounds", input_.confounds}, {"tr_s", input_.tr_s},
      {"outputs", input_.outputs},          {"seed", input_.seed},           {"confound_names", input_.confound_names},
      {"parcel_names", input_.parcel_names}};
  content.metadata[kKey] = all.dump();
  return content;
}

std::shared_ptr<Workflow> Workflow::load(const SafeTensors& content) {
  const std::string& text = content.text(kKey);
  const WorkflowDescription description = workflow_from_json(text);
  WorkflowInput input;
  try {
    const json object = json::parse(text).at("input");
    input = {object.at("features"),
             object.at("confounds"),
             object.at("tr_s"),
             object.at("outputs"),
             {},
             object.at("seed"),
             object.value("confound_names", std::vector<std::string>{}),
             object.value("parcel_names", std::vector<std::string>{})};
  } catch (const json::exception& error) {
    throw DataError(fmt::format("the input of a workflow cannot be read: {}", error.what()));
  }
  if (content.tensors.contains(kLabels)) input.labels = tensor_of(content.tensor(kLabels));
  auto workflow = std::make_shared<Workflow>(description, input);
  for (auto& item : workflow->named_parameters()) take(item.value(), content, item.key());
  for (auto& item : workflow->named_buffers()) take(item.value(), content, item.key());
  return workflow;
}

WorkflowDescription with_all_fixed(const WorkflowDescription& description) {
  WorkflowDescription fixed = completed(description);
  std::set<std::string> of_parcels;  // blocks behind a parcellation
  for (BlockDescription& block : fixed.blocks) {
    const bool reads_parcels = of_parcels.contains(block.input);
    if (reads_parcels || block.type == "parcellate") of_parcels.insert(block.name);
    // The number of learned combinations says nothing of which, and random parcels nothing before they are learned.
    if (block.learn && block.type == "regress") block.settings["combinations"] = 0.0;
    const auto start = block.settings.find("start");
    const bool random = start != block.settings.end() && start->second == SettingValue(std::string("random"));
    if (random && reads_parcels) continue;  // labels are of voxels
    if (block.learn && random) {
      start->second = std::string("labels");
      block.settings["parcels"] = 0.0;
    }
    block.learn = block.type == "readout";
  }
  return fixed;
}

}  // namespace noema
