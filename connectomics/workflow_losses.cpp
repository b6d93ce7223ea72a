#include "noema/connectomics/workflow_losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <fmt/format.h>

#include <cmath>

#include "noema/connectomics/divergence.h"
#include "noema/connectomics/qc_fc.h"
#include "noema/connectomics/second_moment.h"
#include "noema/connectomics/shapes.h"
#include "noema/connectomics/spatial.h"
#include "noema/connectomics/symmetric.h"
#include "noema/core/error.h"

namespace noema {
namespace {

const std::vector<SettingSpec>& specs_of(const std::string& type) {
  for (const LossType& loss : workflow_loss_types()) {
    if (loss.name == type) return loss.settings;
  }
  throw UsageError(fmt::format("the loss '{}' is not known", type));
}

Schedule schedule_of(const LossDescription& loss) {
  const auto number = [&](const char* name) { return number_of(workflow_loss_settings(), loss.settings, name); };
  const double first = number("weight");
  if (!loss.settings.contains("last-weight")) return constant_schedule(first);
  return ramp_schedule(first, number("last-weight"), std::lround(number("ramp-begin")),
                       std::lround(number("ramp-end")));
}

const at::Tensor& needed(const at::Tensor& target, const std::string& loss, const char* what) {
  if (target.defined()) return target;
  throw DataError(fmt::format("the loss {} needs {}, and there is none", loss, what));
}

/// (N, E)
at::Tensor edges_of(const Flow& flow) {
  return flow.kind == FlowKind::matrices ? pack_symmetric(flow.tensor) : flow.tensor;
}

at::Tensor weights_of(const Workflow& workflow, const std::string& block) {
  return workflow.block(block).quantities().at("weights");
}

/// The mean over runs of a loss of each parcel of a parcellation and the series of its voxels. Parcels count by their
/// share of all weight: one of many voxels is not outvoted by those of one voxel, of which there is nothing to explain.
template <class Loss>
at::Tensor mean_over_runs(const Workflow& workflow, const WorkflowOutputs& outputs, const std::string& name,
                          const Loss& loss) {
  const at::Tensor all = weights_of(workflow, name), members = all.detach().sum(0).nonzero().flatten();
  const at::Tensor weights = all.index_select(1, members), share = weights.sum(1) / weights.sum();
  std::string source;
  for (const BlockDescription& block : workflow.description().blocks) {
    if (block.name == name) source = block.input;
  }
  at::Tensor sum;
  const std::vector<RunSeries>& runs = outputs.at(source).runs;
  for (const RunSeries& run : runs) {
    const at::Tensor series = run.values.index_select(-2, members).index_select(-1, run.keep.nonzero().flatten());
    const at::Tensor value = share.dot(loss(weights, series));
    sum = sum.defined() ? sum + value : value;
  }
  return sum / static_cast<double>(runs.size());
}

at::Tensor value_of(const LossDescription& loss, const Workflow& workflow, const WorkflowOutputs& outputs,
                    const WorkflowTargets& targets) {
  const Flow& flow = outputs.at(loss.of);
  const auto number = [&](const char* name) { return number_of(specs_of(loss.type), loss.settings, name); };
  if (loss.type == "cross-entropy") {
    const at::Tensor& classes = needed(targets.classes, loss.type, "classes");
    return -at::log_softmax(flow.tensor, -1).gather(-1, classes.unsqueeze(-1)).mean();
  }
  if (loss.type == "squared-error") {
    return (flow.tensor.select(-1, 0) - needed(targets.numbers, loss.type, "numbers")).square().mean();
  }
  if (loss.type == "qc-fc") {
    const at::Tensor r = qc_fc(edges_of(flow), needed(targets.quality, loss.type, "a measure of quality of each run"));
    return beyond_tolerance(r, number("tolerance")).square().mean();
  }
  if (loss.type == "homogeneity") {
    return 1 - mean_over_runs(workflow, outputs, loss.of, homogeneity);
  }
  if (loss.type == "unexplained-variance") {
    return mean_over_runs(workflow, outputs, loss.of, [](const at::Tensor& weights, const at::Tensor& series) {
      return relative_second_moment(weights, series).mean(-1);
    });
  }
  if (loss.type == "entropy") {
    const at::Tensor weights = weights_of(workflow, loss.of);
    return entropy(weights.t()).mean() / std::log(std::max(2.0, static_cast<double>(weights.size(0))));
  }
  if (loss.type == "compactness") {
    return compactness(weights_of(workflow, loss.of), needed(targets.coordinates, loss.type, "places of the voxels"))
        .mean();
  }
  if (loss.type == "imbalance") return imbalance(weights_of(workflow, loss.of)).mean();
  if (loss.type == "roughness") {
    return mean_square_reduction()(roughness(workflow.block(loss.of).quantities().at("response")));
  }
  if (loss.type == "norm") return weights_of(workflow, loss.of).abs().pow(number("power")).mean();
  throw UsageError(fmt::format("the loss '{}' is not known", loss.type));
}

}  // namespace

WorkflowTargets WorkflowTargets::of(const at::Tensor& runs) const {
  const auto some = [&](const at::Tensor& all) { return all.defined() ? all.index_select(0, runs) : all; };
  return {some(classes), some(numbers), some(quality), coordinates};
}

std::optional<double> loss_by_chance(const LossDescription& loss, const WorkflowTargets& targets) {
  if (loss.type == "qc-fc" && targets.quality.defined()) {
    return chance_of_qc_fc(targets.quality.size(0), number_of(specs_of(loss.type), loss.settings, "tolerance"));
  }
  if (loss.type == "squared-error" && targets.numbers.defined()) return targets.numbers.square().mean().item<double>();
  return std::nullopt;
}

std::string loss_name(const LossDescription& loss) { return fmt::format("{} of {}", loss.type, loss.of); }

std::vector<LossTerm> workflow_losses(const Workflow& workflow, const WorkflowOutputs& outputs,
                                      const WorkflowTargets& targets) {
  std::vector<LossTerm> terms;
  for (const LossDescription& loss : workflow.description().losses) {
    terms.push_back({loss_name(loss),
                     [&workflow, &outputs, &targets, loss] {
                       return with_context(fmt::format("loss '{}'", loss_name(loss)),
                                           [&] { return value_of(loss, workflow, outputs, targets); });
                     },
                     schedule_of(loss)});
  }
  return terms;
}

}  // namespace noema
