#include "noema/decoders/backbone.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "noema/core/error.h"
#include "noema/core/random.h"
#include "noema/decoders/trained_parameters.h"
#include "noema/learn/training.h"

namespace noema {
namespace {

using nlohmann::json;

class Backbone : public Network {
 public:
  Backbone(const BackboneOptions& options, const NetworkShape& shape, at::Generator& generator)
      : options_(options),
        volumes_(shape.volumes),
        input_(register_module("input", std::make_shared<Linear>(shape.features, options.channels, generator))) {
    for (std::size_t i = 0; i < options.mixers.size(); ++i) {
      mixers_.push_back(register_module(fmt::format("mixer{}", i),
                                        make_mixer(options.mixers[i], {options.channels, shape.volumes}, generator)));
    }
    norm_ = register_module("norm", std::make_shared<LayerNorm>(options.channels));
    output_ = register_module("output", std::make_shared<Linear>(options.channels, shape.classes, generator));
  }

  at::Tensor forward(const at::Tensor& windows, const at::Tensor& weights, const Draws& draws) const override {
    const at::Tensor share = weights.unsqueeze(-1);                                   // (B, T, 1)
    const at::Tensor mask = share.ne(0).to(windows.dtype());                          // (B, T, 1)
    at::Tensor x = input_->forward(dropout(windows, options_.input_dropout, draws));  // (B, T, C)
    for (const auto& mixer : mixers_) x = mixer->forward(x, mask, draws);
    const at::Tensor mean = norm_->forward((x * share).sum(1));  // (B, C)
    return output_->forward(dropout(mean, options_.output_dropout, draws));
  }

  std::vector<TrainedParameter> trained_parameters() const override {
    return trained_parameters_of(*this, options_.kernel_learning_rate_scale);
  }

  std::vector<MixerCost> mixer_costs() const override {
    std::vector<MixerCost> costs;
    for (std::size_t i = 0; i < mixers_.size(); ++i) {
      costs.push_back(cost_of(options_.mixers[i].kind, *mixers_[i], volumes_));
    }
    return costs;
  }

 private:
  BackboneOptions options_;
  std::int64_t volumes_;
  std::shared_ptr<Linear> input_;
  std::vector<std::shared_ptr<Mixer>> mixers_;
  std::shared_ptr<LayerNorm> norm_;
  std::shared_ptr<Linear> output_;
};

json option_json(const MixerOption& option) {
  return std::visit([](const auto& value) { return json(value); }, option);
}

MixerOption option_from(const json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number()) return value.get<double>();
  if (value.is_array()) return value.get<std::vector<std::int64_t>>();
  return value.get<std::string>();
}

MixerDescription mixer_from(const json& object) {
  MixerDescription description{object.at("kind").get<std::string>(), {}};
  for (const auto& [name, value] : object.items()) {
    if (name != "kind") description.options[name] = option_from(value);
  }
  return complete(description);
}

}  // namespace

void BackboneOptions::validate() const {
  if (channels < 1) throw UsageError(fmt::format("the number of channels is {}, expected at least 1", channels));
  if (mixers.empty()) throw UsageError("the list of mixers is empty, expected at least one");
  for (const double p : {input_dropout, output_dropout}) {
    if (!(p >= 0 && p < 1)) throw UsageError(fmt::format("a dropout is {}, expected a number from 0 to below 1", p));
  }
  if (!(kernel_learning_rate_scale >= 0)) {
    throw UsageError(fmt::format("the learning rate scale of kernels is {}, expected a number from 0 on",
                                 kernel_learning_rate_scale));
  }
  RandomStream stream(0, "initial parameters");
  at::Generator generator = make_generator(at::kCPU, stream);
  for (const MixerDescription& mixer : mixers) make_mixer(mixer, {channels, 2}, generator);
}

std::shared_ptr<Network> make_backbone(const BackboneOptions& options, const NetworkShape& shape,
                                       at::Generator& generator) {
  return std::make_shared<Backbone>(options, shape, generator);
}

std::string backbone_to_json(const BackboneOptions& options) {
  json mixers = json::array();
  for (const MixerDescription& mixer : options.mixers) {
    json object{{"kind", mixer.kind}};
    for (const auto& [name, value] : complete(mixer).options) object[name] = option_json(value);
    mixers.push_back(object);
  }
  return json{{"channels", options.channels},
              {"mixers", mixers},
              {"input_dropout", options.input_dropout},
              {"output_dropout", options.output_dropout},
              {"kernel_learning_rate_scale", options.kernel_learning_rate_scale}}
      .dump();
}

BackboneOptions backbone_from_json(const std::string& text) {
  BackboneOptions options;
  try {
    const json object = json::parse(text);
    object.at("channels").get_to(options.channels);
    for (const json& mixer : object.at("mixers")) options.mixers.push_back(mixer_from(mixer));
    object.at("input_dropout").get_to(options.input_dropout);
    object.at("output_dropout").get_to(options.output_dropout);
    object.at("kernel_learning_rate_scale").get_to(options.kernel_learning_rate_scale);
    options.validate();
  } catch (const json::exception& error) {
    throw DataError(fmt::format("the backbone '{}' cannot be read: {}", text, error.what()));
  } catch (const UsageError& error) {
    throw DataError(fmt::format("the backbone '{}' cannot be read: {}", text, error.what()));
  }
  return options;
}

}  // namespace noema
