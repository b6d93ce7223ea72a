#include "noema/pipelines/models.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "noema/core/command.h"
#include "noema/core/error.h"
#include "noema/decoders/backbone_classifier.h"
#include "noema/decoders/cnn3d.h"
#include "noema/decoders/connectivity_classifier.h"
#include "noema/decoders/long_conv_classifier.h"
#include "noema/decoders/mlp.h"
#include "noema/decoders/network_classifier.h"
#include "noema/learn/linear_classifier.h"
#include "noema/learn/majority.h"
#include "noema/learn/rena_classifier.h"
#include "noema/pipelines/backbone_config.h"

namespace noema {
namespace {

constexpr int kLinearPermutations = 200;

struct Known {
  std::string name;
  bool is_network = false;
  bool is_baseline = false;
};

std::vector<Known> known_models() {
  std::vector<Known> models{{"ridge"}, {"logistic"}, {"svc"}, {"fc-ridge"}, {"long-conv", true}};
  for (const std::string& name : backbone_names()) models.push_back({name, true});
  models.insert(models.end(), {{kOwnBackbone, true}, {"mlp", true}, {"cnn3d", true}});
  models.insert(models.end(), {{"majority", false, true}, {"nuisance", false, true}});
  return models;
}

bool is_backbone_file(const std::string& name) { return name.ends_with(".toml"); }

/// The one file among the names. @throws UsageError for a second one
std::filesystem::path own_backbone(const std::vector<std::string>& names) {
  std::vector<std::string> files;
  std::copy_if(names.begin(), names.end(), std::back_inserter(files), is_backbone_file);
  if (files.size() == 1) return files.front();
  throw UsageError(fmt::format("--backbone: found the files {}, expected one", fmt::join(files, ", ")));
}

FeatureTransformOptions transform_of(const ModelOptions& options, FeatureKind features, bool whiten) {
  FeatureTransformOptions transform = default_transform(features);
  if (options.screening == "none") transform.screening = Screening::none;
  if (options.screening == "anova") transform.screening = Screening::anova;
  if (options.screening == "task") transform.screening = Screening::task;
  transform.keep = options.screening_keep;
  transform.keep_is_percent = options.screening_keep_is_percent;
  transform.whiten = options.whiten.value_or(whiten);
  return transform;
}

ClassifierFactory linear(LinearKind kind, const ModelOptions& options, FeatureKind features) {
  LinearClassifierOptions linear;
  linear.kind = kind;
  linear.transform = transform_of(options, features, false);
  return linear_factory(linear);
}

/// Ridge on all nuisance columns: there are few, so none is screened out.
ClassifierFactory nuisance() {
  LinearClassifierOptions linear;
  linear.transform = default_transform(FeatureKind::parcels);
  return linear_factory(linear);
}

template <class Classifier, class Options>
ClassifierFactory network(Options network, const ModelOptions& options, FeatureKind features) {
  network.network.transform = transform_of(options, features, network.network.whiten);
  if (options.epochs) {
    network.network.training.epochs = *options.epochs;
    network.network.training.min_steps = network.network.training.max_steps = 0;
  }
  if (options.patience) {
    network.network.validation = true;
    network.network.training.patience = *options.patience;
  }
  return [network](std::uint64_t seed) {
    Options seeded = network;
    seeded.network.training.seed = seed;
    return std::make_unique<Classifier>(seeded);
  };
}

/// Models on clusters see regions.
FeatureKind kind_seen(const ModelOptions& options, FeatureKind features) {
  return options.clusters > 0 ? FeatureKind::parcels : features;
}

ClassifierFactory factory_of(const std::string& name, const ModelOptions& options, FeatureKind features) {
  if (name == "ridge") return linear(LinearKind::ridge, options, features);
  if (name == "logistic") return linear(LinearKind::logistic, options, features);
  if (name == "svc") return linear(LinearKind::svc, options, features);
  if (name == "fc-ridge") {
    ConnectivityClassifierOptions measure;
    measure.kind = connectivity_kind(options.connectivity);
    return [measure](std::uint64_t) { return std::make_unique<ConnectivityClassifier>(measure); };
  }
  if (name == "long-conv") return network<LongConvClassifier>(LongConvClassifierOptions(), options, features);
  if (name == "mlp") return network<MlpClassifier>(MlpOptions(), options, features);
  if (name == "cnn3d") return network<Cnn3dClassifier>(Cnn3dOptions(), options, features);
  if (name == "nuisance") return nuisance();
  if (name == kOwnBackbone) {
    return network<BackboneClassifier>(BackboneClassifierOptions(read_backbone(own_backbone(options.models))), options,
                                       features);
  }
  const std::vector<std::string> backbones = backbone_names();
  if (std::find(backbones.begin(), backbones.end(), name) != backbones.end()) {
    return network<BackboneClassifier>(BackboneClassifierOptions(name), options, features);
  }
  return [](std::uint64_t) { return std::make_unique<MajorityClassifier>(); };
}

void check_fits(const std::string& name, FeatureKind features, SampleUnit unit, int clusters) {
  if (clusters > 0 && (name == "cnn3d" || name == "fc-ridge")) {
    throw UsageError(
        fmt::format("--features rena: --model {} cannot be explained on clusters; leave the model out, or {}", name,
                    name == "cnn3d" ? "give --features voxels" : "give --features parcels"));
  }
  if (name == "cnn3d" && features != FeatureKind::voxels) {
    throw UsageError("--model cnn3d convolves in space, so it needs voxels; add --features voxels");
  }
  if (name == "fc-ridge" && unit != SampleUnit::runs && unit != SampleUnit::blocks && unit != SampleUnit::trials) {
    throw UsageError("--model fc-ridge needs samples of many volumes; add --samples blocks, trials or runs");
  }
}

std::vector<std::string> wanted_models(const ModelOptions& options, SampleUnit unit) {
  std::vector<std::string> wanted = options.models;
  if (wanted.empty()) wanted = {"ridge", "logistic", "long-conv"};
  if (options.models.empty() && unit == SampleUnit::runs && options.clusters == 0)
    wanted.insert(wanted.begin() + 2, "fc-ridge");
  check_models(wanted);
  for (std::string& name : wanted) {
    if (is_backbone_file(name)) name = kOwnBackbone;
  }
  return wanted;
}

}  // namespace

ClassifierFactory ModelPlan::evaluated_factory() const {
  return clusters > 0 ? rena_factory(factory, clusters) : factory;
}

ClassifierFactory ModelPlan::resumable_factory() const {
  if (!is_network) return evaluated_factory();
  ModelPlan kept = *this;
  kept.factory = with_checkpoints(factory, checkpoint_folder);
  return kept.evaluated_factory();
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Known& model : known_models()) {
    if (model.name != kOwnBackbone) names.push_back(model.name);
  }
  return names;
}

void check_models(const std::vector<std::string>& names) {
  const std::vector<std::string> known = model_names();
  for (const std::string& name : names) {
    if (is_backbone_file(name)) {
      read_backbone(own_backbone(names));
      continue;
    }
    if (name == kOwnBackbone) {
      throw UsageError("--model backbone: found no list of mixers; give it by --backbone FILE.toml alone");
    }
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const auto nearest = nearest_match(name, known);
    throw UsageError(fmt::format("--model: found '{}', expected some of {}{}", name, fmt::join(known, ", "),
                                 nearest ? fmt::format("; did you mean {}?", *nearest) : ""));
  }
}

std::vector<ModelPlan> plan_models(const ModelOptions& options, FeatureKind features, SampleUnit unit) {
  const std::vector<std::string> wanted = wanted_models(options, unit);
  std::vector<ModelPlan> plans;
  for (const Known& known : known_models()) {
    if (!known.is_baseline && std::find(wanted.begin(), wanted.end(), known.name) == wanted.end()) continue;
    check_fits(known.name, features, unit, options.clusters);
    ModelPlan plan;
    plan.name = known.name;
    plan.factory = factory_of(known.name, options, kind_seen(options, features));
    plan.clusters = known.is_baseline ? 0 : options.clusters;
    plan.is_baseline = known.is_baseline;
    plan.is_network = known.is_network;
    plan.uses_nuisance = plan.name == "nuisance";
    plan.seeds = known.is_network ? options.seeds : 1;
    plan.checkpoint_folder = options.checkpoint_folder;
    if (!known.is_baseline)
      plan.permutations = options.permutations.value_or(known.is_network ? 0 : kLinearPermutations);
    plans.push_back(std::move(plan));
  }
  return plans;
}

}  // namespace noema
