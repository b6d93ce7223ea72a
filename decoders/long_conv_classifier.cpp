#include "noema/decoders/long_conv_classifier.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "noema/core/error.h"
#include "noema/decoders/backbone.h"
#include "noema/decoders/model_settings.h"

namespace noema {

NLOHMANN_JSON_SERIALIZE_ENUM(LagConvention, {{LagConvention::causal, "causal"},
                                             {LagConvention::bidirectional, "bidirectional"},
                                             {LagConvention::ring, "ring"}})
NLOHMANN_JSON_SERIALIZE_ENUM(KernelStart, {{KernelStart::decay, "decay"},
                                           {KernelStart::random, "random"},
                                           {KernelStart::double_exp, "double_exp"}})
NLOHMANN_JSON_SERIALIZE_ENUM(LongConvPrecision, {{LongConvPrecision::float32, "float32"},
                                                 {LongConvPrecision::bf16x3, "bf16x3"},
                                                 {LongConvPrecision::bf16, "bf16"}})

LongConvClassifierOptions::LongConvClassifierOptions() {
  network.training.batch_size = 32;
  network.training.learning_rate = 3e-3;
  network.training.min_steps = 300;
  network.training.max_steps = 6000;
  network.shortest_crop = 0.55;
  conv.taps = 0;
}

void LongConvClassifierOptions::validate() const {
  network.validate();
  LongConvOptions with_taps = conv;
  if (conv.taps == 0) with_taps.taps = 1;
  with_taps.validate();
  if (blocks < 1) throw UsageError(fmt::format("the number of blocks is {}, expected at least 1", blocks));
  for (const double p : {input_dropout, output_dropout}) {
    if (!(p >= 0 && p < 1)) throw UsageError(fmt::format("a dropout is {}, expected a number from 0 to below 1", p));
  }
  if (!(kernel_learning_rate_scale >= 0)) {
    throw UsageError(fmt::format("the learning rate scale of kernels is {}, expected a number from 0 on",
                                 kernel_learning_rate_scale));
  }
}

LongConvClassifier::LongConvClassifier(LongConvClassifierOptions options)
    : NetworkClassifier((options.validate(), options.network)), options_(std::move(options)) {}

std::shared_ptr<Network> LongConvClassifier::make_network(const NetworkShape& shape, at::Generator& generator) const {
  const std::vector<MixerDescription> blocks(static_cast<std::size_t>(options_.blocks), describe(options_.conv));
  return make_backbone({.channels = options_.conv.channels,
                        .mixers = blocks,
                        .input_dropout = options_.input_dropout,
                        .output_dropout = options_.output_dropout,
                        .kernel_learning_rate_scale = options_.kernel_learning_rate_scale},
                       shape, generator);
}

std::string LongConvClassifier::settings() const {
  const LongConvOptions& conv = options_.conv;
  return nlohmann::json{{"blocks", options_.blocks},
                        {"channels", conv.channels},
                        {"taps", conv.taps},
                        {"convention", conv.convention},
                        {"start", conv.start},
                        {"squash_threshold", conv.squash_threshold},
                        {"smooth_width", conv.smooth_width},
                        {"published_smoothing", conv.published_smoothing},
                        {"kernel_dropout", conv.kernel_dropout},
                        {"dropout", conv.dropout},
                        {"precision", conv.precision},
                        {"input_dropout", options_.input_dropout},
                        {"output_dropout", options_.output_dropout},
                        {"kernel_learning_rate_scale", options_.kernel_learning_rate_scale}}
      .dump();
}

std::unique_ptr<LongConvClassifier> LongConvClassifier::load(const SafeTensors& content) {
  LongConvClassifierOptions options;
  read_settings(content, "long-conv", [&](const nlohmann::json& json) {
    LongConvOptions& conv = options.conv;
    json.at("blocks").get_to(options.blocks);
    json.at("channels").get_to(conv.channels);
    json.at("taps").get_to(conv.taps);
    json.at("convention").get_to(conv.convention);
    json.at("start").get_to(conv.start);
    json.at("squash_threshold").get_to(conv.squash_threshold);
    json.at("smooth_width").get_to(conv.smooth_width);
    json.at("published_smoothing").get_to(conv.published_smoothing);
    json.at("kernel_dropout").get_to(conv.kernel_dropout);
    json.at("dropout").get_to(conv.dropout);
    conv.precision = json.value("precision", LongConvPrecision::float32);  // older files have none
    json.at("input_dropout").get_to(options.input_dropout);
    json.at("output_dropout").get_to(options.output_dropout);
    json.at("kernel_learning_rate_scale").get_to(options.kernel_learning_rate_scale);
  });
  auto model = std::make_unique<LongConvClassifier>(std::move(options));
  model->load_parameters(content);
  return model;
}

}  // namespace noema
