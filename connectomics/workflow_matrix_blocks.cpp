// Blocks of workflows that give matrices, vectors and scores.
#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/connectomics/connectivity.h"
#include "noema/connectomics/constraints.h"
#include "noema/connectomics/covariance.h"
#include "noema/connectomics/precision.h"
#include "noema/connectomics/shapes.h"
#include "noema/connectomics/symmetric.h"
#include "noema/connectomics/workflow_make.h"
#include "noema/core/error.h"

namespace noema {

std::int64_t SettingsOf::whole(const std::string& name) const {
  const double value = number(name);
  if (value >= 0 && value == std::floor(value) && value < 1e9) return static_cast<std::int64_t>(value);
  throw UsageError(fmt::format("{}: found {}, expected a whole number from 0 on", name, value));
}

namespace {

Flow flow_of(FlowKind kind, at::Tensor tensor) {
  Flow flow;
  flow.kind = kind;
  flow.tensor = std::move(tensor);
  return flow;
}

/// Regressors and filters take dimensions as censoring does: what is left must span the regions.
void require_full_rank(const RunSeries& run) {
  const std::int64_t regions = run.values.size(-2), kept = run.keep.sum().item<std::int64_t>();
  const std::int64_t degrees = run.degrees_of_freedom();
  if (degrees >= regions) return;
  const std::string left =
      degrees == kept - 1 ? ""
                          : fmt::format(", of which their mean, trends, regressors and filters leave {} dimensions",
                                        std::max<std::int64_t>(degrees, 0));
  throw DataError(
      fmt::format("covariance: found {} kept frames of {} regions{}, expected more frames than regions, as a later "
                  "block needs its inverse or logarithm: take fewer regions or estimator = \"ledoit-wolf\"",
                  kept, regions, left));
}

class Covariance : public WorkflowBlock {
 public:
  Covariance(const SettingsOf& settings, bool learn, bool needs_full_rank)
      : estimator_(settings.word("estimator")), needs_full_rank_(needs_full_rank), learn_(learn) {
    const double start = settings.number("shrinkage");
    if (learn && estimator_ != "shrunk") {
      throw UsageError(
          fmt::format("learn: the estimator {} has nothing to learn; take estimator = \"shrunk\"", estimator_));
    }
    if (estimator_ != "shrunk") return;
    if (!(start >= 0 && start <= 1)) throw UsageError(fmt::format("shrinkage: found {}, expected 0 to 1", start));
    share_ = bounded_constraint(0, 1);
    const at::Tensor value = at::ones({}, at::kDouble) * start;
    free_ = learn ? register_parameter("shrinkage", share_->invert(value)) : register_buffer("shrinkage", value);
  }

  Flow forward(const Flow& in) const override {
    std::vector<at::Tensor> matrices;
    for (const RunSeries& run : in.runs) {
      const at::Tensor kept = run.values.index_select(-1, run.keep.nonzero().flatten());
      const bool shrinks = estimator_ != "sample" && estimator_ != "empirical";
      if (!shrinks && needs_full_rank_) require_full_rank(run);
      matrices.push_back(of(kept));
    }
    return flow_of(FlowKind::matrices, at::stack(matrices));
  }

  std::map<std::string, at::Tensor> quantities() const override {
    if (!free_.defined()) return {};
    return {{"shrinkage", shrinkage()}};
  }

 private:
  at::Tensor shrinkage() const { return learn_ ? share_->apply(free_) : free_; }
  at::Tensor of(const at::Tensor& kept) const {
    if (estimator_ == "sample") return covariance(kept);
    if (estimator_ != "shrunk") return estimate_covariance(kept, covariance_estimator(estimator_));
    const at::Tensor plain = estimate_covariance(kept, CovarianceEstimator::empirical);
    const at::Tensor mean = plain.diagonal().mean();
    return (1 - shrinkage()) * plain + shrinkage() * mean * at::eye(plain.size(-1), plain.options());
  }

  std::string estimator_;
  bool needs_full_rank_, learn_;
  std::unique_ptr<Constraint> share_;
  at::Tensor free_;
};

/// A function of matrices without parameters.
class MatrixFunction : public WorkflowBlock {
 public:
  explicit MatrixFunction(at::Tensor (*function)(const at::Tensor&)) : function_(function) {}
  Flow forward(const Flow& in) const override { return flow_of(FlowKind::matrices, function_(in.tensor)); }

 private:
  at::Tensor (*function_)(const at::Tensor&);
};

at::Tensor partial_correlation_of_covariance(const at::Tensor& matrices) {
  return partial_correlation(precision(matrices));
}

class Tangent : public WorkflowBlock {
 public:
  Tangent(const SettingsOf& settings, std::int64_t size, bool learn) : mean_(settings.word("mean")), learn_(learn) {
    const at::Tensor start = at::eye(size, at::kDouble);
    reference_ =
        learn ? register_parameter("reference", definite_->invert(start)) : register_buffer("reference", start);
  }

  void calibrate(const Flow& in) override {
    SpdMeanOptions options;
    options.published = mean_ == "published";
    const SpdMean kind = mean_ == "log-euclidean" ? SpdMean::log_euclidean
                         : mean_ == "harmonic"    ? SpdMean::harmonic
                         : mean_ == "bures"       ? SpdMean::bures
                         : mean_ == "euclidean"   ? SpdMean::euclidean
                                                  : SpdMean::karcher;
    const at::Tensor mean = spd_mean(in.tensor, kind, options);
    reference_.copy_(learn_ ? definite_->invert(mean) : mean);
  }

  Flow forward(const Flow& in) const override {
    return flow_of(FlowKind::matrices, to_tangent(in.tensor, reference()));
  }
  std::map<std::string, at::Tensor> quantities() const override { return {{"reference", reference()}}; }

 private:
  at::Tensor reference() const { return learn_ ? definite_->apply(reference_) : reference_; }
  std::string mean_;
  bool learn_;
  std::unique_ptr<Constraint> definite_ = spd_constraint({.floor = 1e-10});
  at::Tensor reference_;
};

class Vectorise : public WorkflowBlock {
 public:
  explicit Vectorise(const SettingsOf& settings) : fisher_(settings.truth("fisher")) {
    const std::string word = settings.word("diagonal");
    diagonal_ = word == "kept"     ? PackedDiagonal::kept
                : word == "scaled" ? PackedDiagonal::scaled
                                   : PackedDiagonal::dropped;
    if (fisher_ && diagonal_ != PackedDiagonal::dropped) {
      throw UsageError("fisher: the diagonal of correlations has no Fisher's z; expected diagonal = \"dropped\"");
    }
  }

  Flow forward(const Flow& in) const override {
    at::Tensor vectors = pack_symmetric(in.tensor, diagonal_);
    if (fisher_) {
      constexpr double kMost = 1 - 1e-7;
      vectors = vectors.clamp(-kMost, kMost).atanh();
    }
    return flow_of(FlowKind::vectors, vectors);
  }
  FlowShape shape(const FlowShape& in) const override {
    return {in.size * (diagonal_ == PackedDiagonal::dropped ? in.size - 1 : in.size + 1) / 2, 0};
  }

 private:
  bool fisher_;
  PackedDiagonal diagonal_;
};

class Readout : public WorkflowBlock {
 public:
  Readout(std::int64_t size, std::int64_t outputs) : outputs_(outputs) {
    if (outputs < 1) throw UsageError("readout: found no target, expected target = \"…\" under [training]");
    mean_ = register_buffer("mean", at::zeros({size}, at::kDouble));
    scale_ = register_buffer("scale", at::ones({size}, at::kDouble));
    weights_ = register_parameter("weights", at::zeros({outputs, size}, at::kDouble));
    bias_ = register_parameter("bias", at::zeros({outputs}, at::kDouble));
  }

  void calibrate(const Flow& in) override {
    const at::Tensor mean = in.tensor.mean(0), sd = (in.tensor - mean).square().mean(0).sqrt();
    mean_.copy_(mean);
    // All vectors together have about unit length, so that one learning rate serves any number of edges.
    const double length = std::sqrt(static_cast<double>(mean.numel()));
    scale_.copy_(at::where(sd > 1e-12, 1 / (sd * length), 0.0));
  }

  Flow forward(const Flow& in) const override {
    require_size(in.tensor, "vectors", -1, mean_.size(0));
    return flow_of(FlowKind::scores, ((in.tensor - mean_) * scale_).matmul(weights_.t()) + bias_);
  }
  FlowShape shape(const FlowShape&) const override { return {outputs_, 0}; }
  std::map<std::string, at::Tensor> quantities() const override { return {{"weights", weights_}}; }

 private:
  std::int64_t outputs_;
  at::Tensor mean_, scale_, weights_, bias_;
};

}  // namespace

std::int64_t RunSeries::degrees_of_freedom() const {
  const auto kept = keep.sum().item<std::int64_t>();
  return static_cast<std::int64_t>(std::min(static_cast<double>(kept - 1), std::floor(passed))) - removed;
}

void WorkflowBlock::calibrate(const Flow&) {}

std::shared_ptr<WorkflowBlock> make_matrix_block(const BlockDescription& block, const FlowShape& in,
                                                 const WorkflowInput& input, bool needs_full_rank) {
  const SettingsOf settings(block);
  if (block.type == "covariance") return std::make_shared<Covariance>(settings, block.learn, needs_full_rank);
  if (block.type == "correlation") return std::make_shared<MatrixFunction>(correlation_from_covariance);
  if (block.type == "precision") return std::make_shared<MatrixFunction>(precision);
  if (block.type == "partial-correlation") return std::make_shared<MatrixFunction>(partial_correlation_of_covariance);
  if (block.type == "tangent") return std::make_shared<Tangent>(settings, in.size, block.learn);
  if (block.type == "vectorise") return std::make_shared<Vectorise>(settings);
  if (block.type == "readout") return std::make_shared<Readout>(in.size, input.outputs);
  return nullptr;
}

std::shared_ptr<WorkflowBlock> make_workflow_block(const BlockDescription& description, const FlowShape& in,
                                                   const WorkflowInput& input, bool needs_full_rank) {
  auto block = make_series_block(description, in, input);
  if (!block) block = make_matrix_block(description, in, input, needs_full_rank);
  if (!block) throw UsageError(fmt::format("type of block: '{}' is not known", description.type));
  return block;
}

}  // namespace noema
