#include "noema/pipelines/workflow_output.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "noema/core/cancel.h"
#include "noema/core/log.h"
#include "noema/core/progress.h"
#include "noema/learn/tensors.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/region_places.h"

namespace noema {
namespace {

const BlockDescription& described(const Workflow& workflow, const std::string& name) {
  const auto& blocks = workflow.description().blocks;
  return *std::find_if(blocks.begin(), blocks.end(), [&](const BlockDescription& block) { return block.name == name; });
}

/// From a block back to the input, itself first.
std::vector<const BlockDescription*> way_back(const Workflow& workflow, const std::string& block) {
  std::vector<const BlockDescription*> way;
  for (std::string name = block; name != "input"; name = way.back()->input) {
    way.push_back(&described(workflow, name));
  }
  return way;
}

/// The last parcellation before a block, or the block itself; null without one.
const BlockDescription* parcellation_of(const Workflow& workflow, const std::string& block) {
  for (const BlockDescription* before : way_back(workflow, block)) {
    if (before->type == "parcellate") return before;
  }
  return nullptr;
}

bool gives_matrices(const BlockDescription& block) { return block_type(block.type).to == FlowKind::matrices; }

/// Blocks whose matrices no other block makes matrices of.
std::vector<const BlockDescription*> ends_of(const Workflow& workflow) {
  std::set<std::string> taken;
  for (const BlockDescription& block : workflow.description().blocks) {
    if (gives_matrices(block)) taken.insert(block.input);
  }
  std::vector<const BlockDescription*> ends;
  for (const BlockDescription& block : workflow.description().blocks) {
    if (gives_matrices(block) && !taken.contains(block.name)) ends.push_back(&block);
  }
  return ends;
}

/// One output for each parcellation, that of the last end first.
std::vector<ConnectomeOutput> outputs_for(const Workflow& workflow, const std::vector<const BlockDescription*>& ends,
                                          const PreparedData& data, const std::vector<SurfaceMesh>& meshes,
                                          std::vector<std::size_t>& output_of_end) {
  std::vector<const BlockDescription*> parcellations{parcellation_of(workflow, ends.back()->name)};
  std::vector<ConnectomeOutput> outputs;
  for (const BlockDescription* end : ends) {
    const BlockDescription* parcellation = parcellation_of(workflow, end->name);
    auto at = std::find(parcellations.begin(), parcellations.end(), parcellation);
    if (at == parcellations.end()) at = parcellations.insert(at, parcellation);
    output_of_end.push_back(static_cast<std::size_t>(at - parcellations.begin()));
  }
  for (const BlockDescription* parcellation : parcellations) {
    const std::string name = parcellation == nullptr ? "input" : parcellation->name;
    ConnectomeOutput output{connectome_of_runs(*data.runs), {}};
    output.file.regions =
        region_places(parcellation == nullptr ? *data.features : regions_of(workflow, name, *data.features), meshes);
    if (!outputs.empty()) output.suffix = "_" + bids_model_label(name);
    outputs.push_back(std::move(output));
  }
  return outputs;
}

MatrixD group_of(const Workflow& workflow, const BlockDescription& block, const std::vector<MatrixD>& runs,
                 const std::vector<double>& shares) {
  if (block.type == "tangent") return to_matrix(workflow.block(block.name).quantities().at("reference"));
  MatrixD group = MatrixD::Zero(runs.front().rows(), runs.front().cols());
  for (std::size_t r = 0; r < runs.size(); ++r) group += shares[r] * runs[r];
  return group;
}

}  // namespace

at::Tensor region_weights(const Workflow& workflow, const std::string& block) {
  const at::NoGradGuard no_gradients;
  at::Tensor weights;
  for (const BlockDescription* before : way_back(workflow, block)) {
    if (before->type != "parcellate") continue;
    const at::Tensor own = workflow.block(before->name).quantities().at("weights");
    weights = weights.defined() ? weights.matmul(own) : own;
  }
  return weights;
}

LargestRegions largest_regions(const at::Tensor& weights) {
  const auto [weight, region] = weights.detach().to(at::kDouble).max(0);
  LargestRegions largest;
  const at::Tensor of_feature = weight.contiguous(), index = region.contiguous();
  for (std::int64_t f = 0; f < weights.size(1); ++f) {
    const double value = of_feature.const_data_ptr<double>()[f];
    largest.weight.push_back(static_cast<float>(value));
    largest.region.push_back(value > 0 ? static_cast<std::int32_t>(index.const_data_ptr<std::int64_t>()[f]) : -1);
  }
  return largest;
}

FeatureSpace regions_of(const Workflow& workflow, const std::string& block, const FeatureSpace& input) {
  const BlockDescription* parcellation = parcellation_of(workflow, block);
  if (parcellation == nullptr) return input;
  const at::Tensor weights = region_weights(workflow, block);
  FeatureSpace regions = input;
  regions.kind = FeatureKind::parcels;
  regions.parcel_of_voxel = largest_regions(weights).region;
  const std::set<std::int32_t> there(regions.parcel_of_voxel.begin(), regions.parcel_of_voxel.end());
  const std::int64_t count = weights.size(0),
                     empty = count - std::count_if(there.begin(), there.end(), [](int region) { return region >= 0; });
  if (empty > 0) {
    log_warning(fmt::format("'{}': {} of {} parcels have the largest weight of no voxel, and so no centre",
                            parcellation->name, empty, count));
  }
  const bool labelled = word_of(block_type("parcellate").settings, parcellation->settings, "start") == "labels" &&
                        static_cast<std::int64_t>(workflow.input().parcel_names.size()) == count;
  regions.names = labelled ? workflow.input().parcel_names : std::vector<std::string>{};
  for (std::int64_t p = 0; !labelled && p < count; ++p) regions.names.push_back(fmt::format("parcel-{:03}", p + 1));
  return regions;
}

std::vector<ConnectomeOutput> matrices_of_workflow(const Workflow& workflow, const std::vector<RunSeries>& series,
                                                   const PreparedData& data, const std::vector<SurfaceMesh>& meshes) {
  const at::NoGradGuard no_gradients;
  const std::vector<const BlockDescription*> ends = ends_of(workflow);
  if (ends.empty()) return {};
  std::vector<std::size_t> output_of_end;
  std::vector<ConnectomeOutput> outputs = outputs_for(workflow, ends, data, meshes, output_of_end);
  std::vector<std::vector<MatrixD>> matrices(ends.size());
  Progress progress("connectivity", static_cast<std::int64_t>(series.size()));
  for (std::size_t r = 0; r < series.size(); ++r) {
    check_cancelled();
    with_context(fmt::format("run '{}'", data.runs->at(r).id), [&] {
      const WorkflowOutputs found = workflow.forward({series[r]});
      for (std::size_t e = 0; e < ends.size(); ++e) matrices[e].push_back(to_matrix(found.at(ends[e]->name).tensor[0]));
    });
    progress.advance();
  }
  const std::vector<double> shares = subject_shares(*data.runs);
  for (std::size_t e = 0; e < ends.size(); ++e) {
    ConnectomeOutput& output = outputs[output_of_end[e]];
    output.titles.push_back(
        ends[e]->type == "tangent"
            ? fmt::format("the reference of '{}' of the trained workflow", ends[e]->name)
            : fmt::format("'{}' of the trained workflow, mean of {} runs", ends[e]->name, series.size()));
    output.file.kinds.push_back({ends[e]->name, matrices[e], group_of(workflow, *ends[e], matrices[e], shares)});
  }
  return outputs;
}

}  // namespace noema
