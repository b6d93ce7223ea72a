#include "noema/decoders/backbone_classifier.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "noema/decoders/long_conv_classifier.h"
#include "noema/decoders/model_settings.h"

namespace noema {

BackboneClassifierOptions::BackboneClassifierOptions(const std::string& wanted)
    : name(wanted), network(LongConvClassifierOptions().network), backbone(named_backbone(wanted)) {}

BackboneClassifierOptions::BackboneClassifierOptions(BackboneOptions list)
    : network(LongConvClassifierOptions().network), backbone(std::move(list)) {}

void BackboneClassifierOptions::validate() const {
  network.validate();
  backbone.validate();
}

BackboneClassifier::BackboneClassifier(BackboneClassifierOptions options)
    : NetworkClassifier((options.validate(), options.network)), options_(std::move(options)) {}

std::shared_ptr<Network> BackboneClassifier::make_network(const NetworkShape& shape, at::Generator& generator) const {
  return make_backbone(options_.backbone, shape, generator);
}

std::string BackboneClassifier::settings() const { return backbone_to_json(options_.backbone); }

std::unique_ptr<BackboneClassifier> BackboneClassifier::load(const std::string& kind, const SafeTensors& content) {
  BackboneOptions backbone;
  read_settings(content, kind, [&](const nlohmann::json& json) { backbone = backbone_from_json(json.dump()); });
  BackboneClassifierOptions options(std::move(backbone));
  options.name = kind;
  auto model = std::make_unique<BackboneClassifier>(std::move(options));
  model->load_parameters(content);
  return model;
}

}  // namespace noema
