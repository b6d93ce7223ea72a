#include "noema/decoders/registry.h"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "noema/core/error.h"
#include "noema/decoders/backbone_classifier.h"
#include "noema/decoders/cnn3d.h"
#include "noema/decoders/connectivity_classifier.h"
#include "noema/decoders/long_conv_classifier.h"
#include "noema/decoders/mlp.h"
#include "noema/learn/linear_classifier.h"
#include "noema/learn/majority.h"
#include "noema/learn/rena_classifier.h"

namespace noema {
namespace {

struct Entry {
  ClassifierFactory make;
  std::function<std::unique_ptr<Classifier>(const SafeTensors&)> load;
};

template <class Model, class Options>
Entry network_entry() {
  return {[](std::uint64_t seed) {
            Options options;
            options.network.training.seed = seed;
            return std::make_unique<Model>(options);
          },
          Model::load};
}

Entry backbone_entry(const std::string& kind) {
  return {[kind](std::uint64_t seed) {
            BackboneClassifierOptions options = kind == kOwnBackbone ? BackboneClassifierOptions(named_backbone("h3"))
                                                                     : BackboneClassifierOptions(kind);
            options.network.training.seed = seed;
            return std::make_unique<BackboneClassifier>(options);
          },
          [kind](const SafeTensors& content) { return BackboneClassifier::load(kind, content); }};
}

Entry linear_entry(LinearKind kind) {
  LinearClassifierOptions options;
  options.kind = kind;
  return {linear_factory(options), LinearClassifier::load};
}

std::map<std::string, Entry> all_entries() {
  std::map<std::string, Entry> all = {
      {kOwnBackbone, backbone_entry(kOwnBackbone)},
      {"cnn3d", network_entry<Cnn3dClassifier, Cnn3dOptions>()},
      {"fc-ridge",
       {[](std::uint64_t) { return std::make_unique<ConnectivityClassifier>(); }, ConnectivityClassifier::load}},
      {"logistic", linear_entry(LinearKind::logistic)},
      {"long-conv", network_entry<LongConvClassifier, LongConvClassifierOptions>()},
      {"majority", {[](std::uint64_t) { return std::make_unique<MajorityClassifier>(); }, MajorityClassifier::load}},
      {"mlp", network_entry<MlpClassifier, MlpOptions>()},
      {"ridge", linear_entry(LinearKind::ridge)},
      {"svc", linear_entry(LinearKind::svc)}};
  for (const std::string& name : backbone_names()) all[name] = backbone_entry(name);
  return all;
}

const std::map<std::string, Entry>& entries() {
  static const std::map<std::string, Entry> all = all_entries();
  return all;
}

}  // namespace

std::vector<std::string> classifier_kinds() {
  std::vector<std::string> kinds;
  for (const auto& [kind, entry] : entries()) kinds.push_back(kind);
  return kinds;
}

ClassifierFactory default_factory(const std::string& kind) {
  const auto entry = entries().find(kind);
  if (entry == entries().end()) {
    throw UsageError(
        fmt::format("there is no model '{}', expected one of {}", kind, fmt::join(classifier_kinds(), ", ")));
  }
  return entry->second.make;
}

std::unique_ptr<Classifier> open_classifier(const SafeTensors& content) {
  const std::string& text = content.text("model");
  const nlohmann::json model = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const std::string kind = model.is_object() && model.contains("kind") && model["kind"].is_string()
                               ? model["kind"].get<std::string>()
                               : std::string();
  const auto entry = entries().find(kind);
  if (entry == entries().end()) {
    throw DataError(fmt::format("the file holds a model of kind '{}', expected one of {}", kind,
                                fmt::join(classifier_kinds(), ", ")));
  }
  std::unique_ptr<Classifier> opened = entry->second.load(content);
  if (!RenaClassifier::is_in(content)) return opened;
  return RenaClassifier::load(content, std::move(opened));
}

}  // namespace noema
