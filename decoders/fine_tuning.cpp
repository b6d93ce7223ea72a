#include "noema/decoders/fine_tuning.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "noema/core/error.h"
#include "noema/decoders/model_settings.h"
#include "noema/decoders/network_classifier.h"
#include "noema/decoders/registry.h"

namespace noema {
namespace {

/// The recipe that the file's network was trained by.
NetworkOptions recipe_of(const SafeTensors& content, const NetworkClassifier& network) {
  NetworkOptions options = network.network_options();
  read_model(content, network.kind(), [&](const nlohmann::json& model) {
    const nlohmann::json& training = model.at("training");
    TrainingOptions& to = options.training;
    training.at("epochs").get_to(to.epochs);
    training.at("min_steps").get_to(to.min_steps);
    training.at("max_steps").get_to(to.max_steps);
    training.at("batch_size").get_to(to.batch_size);
    training.at("learning_rate").get_to(to.learning_rate);
    training.at("warmup").get_to(to.warmup);
    training.at("weight_decay").get_to(to.weight_decay);
    training.at("gradient_norm").get_to(to.gradient_norm);
    training.at("patience").get_to(to.patience);
    training.at("label_smoothing").get_to(options.label_smoothing);
    training.at("shortest_crop").get_to(options.shortest_crop);
    training.at("validation").get_to(options.validation);
  });
  return options;
}

/// As many features, chosen by analysis of variance where the file's were chosen, and whitened where they were.
FeatureTransformOptions transform_like(const FeatureTransform& fitted) {
  FeatureTransformOptions options;
  if (fitted.outputs() < fitted.features()) options.screening = Screening::anova;
  options.keep = static_cast<double>(fitted.outputs());
  options.whiten = fitted.whitens();
  return options;
}

/// To the epochs asked for, else to half of the recipe.
void shorten(TrainingOptions& training, const std::optional<int>& epochs) {
  training.epochs = std::max(1, epochs.value_or(training.epochs / 2));
  training.min_steps = epochs ? 0 : training.min_steps / 2;
  training.max_steps = epochs ? 0 : training.max_steps / 2;
}

std::unique_ptr<NetworkClassifier> open_network(const SafeTensors& content) {
  std::unique_ptr<Classifier> opened = open_classifier(content);
  auto* network = dynamic_cast<NetworkClassifier*>(opened.get());
  if (network == nullptr) {
    throw UsageError(fmt::format("a model of kind '{}' is no network, so it cannot be fine-tuned", opened->kind()));
  }
  opened.release();
  return std::unique_ptr<NetworkClassifier>(network);
}

}  // namespace

void FineTuningOptions::validate() const {
  if (epochs && *epochs < 0) {
    throw UsageError(fmt::format("found {} epochs of fine-tuning, expected at least 0", *epochs));
  }
  if (!(learning_rate_scale > 0) || !std::isfinite(learning_rate_scale)) {
    throw UsageError(
        fmt::format("the learning rate is multiplied by {}, expected a positive number", learning_rate_scale));
  }
}

ClassifierFactory network_like(const std::shared_ptr<const SafeTensors>& source) {
  open_network(*source);  // what cannot be opened is refused now
  return [source](std::uint64_t seed) {
    std::unique_ptr<NetworkClassifier> network = open_network(*source);
    NetworkOptions options = recipe_of(*source, *network);
    options.training.seed = seed;
    if (network->transform()) options.transform = transform_like(*network->transform());
    network->train_by(options);
    return network;
  };
}

ClassifierFactory fine_tuned(const std::shared_ptr<const SafeTensors>& source, const FineTuningOptions& options) {
  options.validate();
  open_network(*source);
  return [source, options](std::uint64_t seed) {
    std::unique_ptr<NetworkClassifier> network = open_network(*source);
    NetworkOptions recipe = recipe_of(*source, *network);
    recipe.training.seed = seed;
    shorten(recipe.training, options.epochs);
    recipe.start =
        NetworkStart{source, options.keep_output, options.epochs.value_or(1) > 0, options.learning_rate_scale};
    network->train_by(recipe);
    return network;
  };
}

}  // namespace noema
