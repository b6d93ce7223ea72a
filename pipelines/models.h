// pipelines/models: the models a run can be asked for, by name.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "noema/io/series.h"
#include "noema/learn/classifier.h"
#include "noema/learn/labels.h"
#include "noema/pipelines/options.h"

namespace noema {

/// Names in the order of tables: linear models, networks, baselines.
std::vector<std::string> model_names();

/// @throws UsageError for a name that is not known, naming the nearest; for a file .toml as `read_backbone`
void check_models(const std::vector<std::string>& names);

struct ModelPlan {
  std::string name;
  /// Of models on the features as they are, before voxels are joined to clusters.
  ClassifierFactory factory;
  int clusters = 0;
  bool is_baseline = false;
  /// Networks draw random numbers and bring threads of their own.
  bool is_network = false;
  /// Learns from the nuisance series instead of the brain's.
  bool uses_nuisance = false;
  int seeds = 1;
  int permutations = 0;
  /// Where networks keep the checkpoints of the cross-validation and the final fit (`with_checkpoints`); those of
  /// permutations would be too many.
  std::filesystem::path checkpoint_folder;

  /// Models as they are evaluated: on `clusters` clusters of the voxels, if any.
  ClassifierFactory evaluated_factory() const;
  /// The same, with checkpoints of networks.
  ClassifierFactory resumable_factory() const;
};

/// The models to evaluate: those asked for, else ridge, logistic and long-conv (and fc-ridge where a run is a sample),
/// always beside the baselines.
/// @throws UsageError for an unknown name, naming the nearest, or a model that does not fit the features or samples.
std::vector<ModelPlan> plan_models(const ModelOptions& options, FeatureKind features, SampleUnit unit);

}  // namespace noema
