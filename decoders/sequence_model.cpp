#include "noema/decoders/sequence_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/l1_loss.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/hash.h"
#include "noema/decoders/backbone.h"
#include "noema/decoders/trained_parameters.h"

namespace noema {
namespace {

constexpr std::int64_t kScoringBatch = 64;

/// (T, C): sines and cosines of the place, of wavelengths from 2π to 2π·10⁴.
at::Tensor places(std::int64_t length, std::int64_t channels, const at::TensorOptions& options) {
  const std::int64_t half = (channels + 1) / 2;
  const at::Tensor rates = (at::arange(half, options) * (-std::log(1e4) / static_cast<double>(half))).exp();
  const at::Tensor phase = at::arange(length, options).unsqueeze(1) * rates;
  return at::cat({phase.sin(), phase.cos()}, 1).narrow(1, 0, channels);
}

at::Tensor loss_of(const at::Tensor& found, const at::Tensor& targets, SequenceLoss loss) {
  if (loss == SequenceLoss::squared) return at::mse_loss(found, targets);
  if (loss == SequenceLoss::absolute) return at::l1_loss(found, targets);
  // Not the mean of LibTorch, which is NaN of a batch that asks for nothing.
  const at::Tensor sum = at::cross_entropy_loss(found.flatten(0, 1), targets.flatten(), {}, at::Reduction::Sum);
  return sum / targets.ge(0).sum().clamp_min(1);
}

SequenceData on_device(const SequenceData& data, at::Device device) {
  if (!data.inputs.defined()) return data;
  return {data.inputs.to(device), data.targets.to(device)};
}

void add_values(Hasher& hasher, const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().cpu().contiguous();
  hasher.add({static_cast<const std::byte*>(values.const_data_ptr()), static_cast<std::size_t>(values.nbytes())});
}

/// See `SequenceModel::fingerprint`.
std::string hash_of(const SequenceModel& model, const SequenceShape& shape, const MixerShape& inner,
                    const std::vector<MixerDescription>& mixers) {
  BackboneOptions options;
  options.channels = inner.channels;
  options.mixers = mixers;
  Hasher hasher;
  hasher.add(fmt::format("{}|{}|{}|{}|{}|{}|{}", shape.tokens, shape.channels, shape.outputs, shape.series_out,
                         shape.from_one_vector, inner.volumes, backbone_to_json(options)));
  for (const auto& item : model.named_parameters()) {
    hasher.add(fmt::format("|{}|", item.key()));
    add_values(hasher, item.value());
  }
  return hasher.digest();
}

class SequenceTraining : public TrainingTask {
 public:
  SequenceTraining(const SequenceModel& model, const SequenceData& data, const SequenceData& held_in, SequenceLoss loss)
      : model_(model),
        data_(on_device(data, model.device())),
        held_in_(on_device(held_in, model.device())),
        loss_(loss) {
    if (loss == SequenceLoss::cross_entropy && !data_.targets.ge(0).any().item<bool>())
      throw DataError("no sequence to train on asks for anything, expected at least one place with a class from 0 on");
  }

  std::vector<TrainedParameter> parameters() override { return trained_parameters_of(model_); }
  std::int64_t size() const override { return data_.inputs.size(0); }
  at::Tensor loss(std::span<const std::int64_t> batch, StepRandom& random) override {
    const at::Tensor rows =
        at::tensor(at::IntArrayRef(batch.data(), batch.size()), at::TensorOptions(at::kLong)).to(model_.device());
    const at::Tensor found = model_.forward(data_.inputs.index_select(0, rows), random.generator);
    return loss_of(found, data_.targets.index_select(0, rows), loss_);
  }
  std::optional<ValidationScores> validate() override {
    if (!held_in_.inputs.defined()) return std::nullopt;
    return ValidationScores{loss_of(model_.forward(held_in_.inputs, {}), held_in_.targets, loss_).item<double>(), 0};
  }
  std::string fingerprint() const override {
    Hasher hasher;
    hasher.add(fmt::format("{}|{}|", static_cast<int>(loss_), model_.fingerprint()));
    for (const at::Tensor& tensor : {data_.inputs, data_.targets, held_in_.inputs, held_in_.targets}) {
      if (tensor.defined()) add_values(hasher, tensor);
    }
    return hasher.digest();
  }

 private:
  const SequenceModel& model_;
  SequenceData data_;
  SequenceData held_in_;
  SequenceLoss loss_;
};

}  // namespace

SequenceModel::SequenceModel(const SequenceShape& shape, const MixerShape& inner,
                             const std::vector<MixerDescription>& mixers, at::Generator& generator)
    : shape_(shape) {
  const std::int64_t channels = inner.channels;
  for (const MixerDescription& mixer : mixers) mixers_.push_back(make_mixer(mixer, inner, generator));
  if (shape.tokens > 0) {
    embedding_ = register_parameter("embedding", at::empty({shape.tokens, channels}).normal_(0, 1, generator));
  } else {
    input_ = register_module("input", std::make_shared<Linear>(shape.channels, channels, generator));
  }
  for (std::size_t i = 0; i < mixers_.size(); ++i) register_module(fmt::format("mixer{}", i), mixers_[i]);
  if (shape.from_one_vector) {
    unfold_first_ = register_module("unfold_first", std::make_shared<Linear>(channels, channels, generator));
    unfold_second_ = register_module("unfold_second", std::make_shared<Linear>(channels, channels, generator));
  }
  if (!shape.series_out) norm_ = register_module("norm", std::make_shared<LayerNorm>(channels));
  output_ = register_module("output", std::make_shared<Linear>(channels, shape.outputs, generator));
  fingerprint_ = hash_of(*this, shape, inner, mixers);
}

at::Tensor SequenceModel::forward(const at::Tensor& inputs, const Draws& draws) const {
  at::Tensor h = embedding_.defined() ? at::embedding(embedding_, inputs) : input_->forward(inputs);  // (B, T, C)
  const std::int64_t length = h.size(1);
  const at::Tensor mask = at::ones({h.size(0), length, 1}, h.options().requires_grad(false));
  for (const auto& mixer : mixers_) h = mixer->forward(h, mask, draws);
  if (shape_.from_one_vector) {
    h = h.narrow(1, length - 1, 1) + places(length, h.size(2), h.options().requires_grad(false));
    h = unfold_second_->forward(at::gelu(unfold_first_->forward(h)));
  }
  return output_->forward(norm_ ? norm_->forward(h) : h);
}

std::int64_t SequenceModel::parameter_count() const {
  std::int64_t count = 0;
  for (const at::Tensor& parameter : parameters()) count += parameter.numel();
  return count;
}

std::int64_t SequenceModel::state_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& mixer : mixers_) bytes += mixer->state_bytes();
  return bytes;
}

std::int64_t SequenceModel::flops(std::int64_t length) const {
  std::int64_t flops = 0;
  for (const auto& mixer : mixers_) flops += mixer->flops(length);
  return flops;
}

TrainingHistory fit_sequences(const SequenceModel& model, const SequenceData& data, SequenceLoss loss,
                              const TrainingOptions& options, const SequenceData& held_in) {
  SequenceTraining task(model, data, held_in, loss);
  return train(task, options);
}

double score_sequences(const SequenceModel& model, const SequenceData& data, SequenceLoss loss) {
  const at::NoGradGuard no_gradients;
  double right = 0, all = 0;
  for (std::int64_t begin = 0; begin < data.inputs.size(0); begin += kScoringBatch) {
    check_cancelled();
    const std::int64_t rows = std::min(kScoringBatch, data.inputs.size(0) - begin);
    const at::Tensor found = model.forward(data.inputs.narrow(0, begin, rows).to(model.device()), {});
    const at::Tensor targets = data.targets.narrow(0, begin, rows).to(model.device());
    if (loss == SequenceLoss::cross_entropy) {
      const at::Tensor asked = targets.ge(0);
      right += (found.argmax(2).eq(targets) & asked).sum().item<double>();
      all += asked.sum().item<double>();
    } else if (loss == SequenceLoss::squared) {
      right += (targets.square() - (found - targets).square()).sum().item<double>();
      all += targets.square().sum().item<double>();
    } else {
      right += (found - targets).abs().sum().item<double>();
      all += static_cast<double>(targets.numel());
    }
  }
  if (all == 0) throw DataError("the sequences ask for nothing that can be scored, expected some answers");
  return right / all;
}

}  // namespace noema
