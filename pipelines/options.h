// pipelines/options: what a whole-dataset run is asked to do. One struct for each stage; commands fill them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "noema/glm/single_trial.h"
#include "noema/io/dataset.h"
#include "noema/learn/labels.h"
#include "noema/learn/model_file.h"
#include "noema/learn/problem.h"
#include "noema/preprocess/run.h"

namespace noema {

/// Which part of the work a call does, as BIDS-Apps name it.
enum class AnalysisLevel {
  all,          ///< both
  participant,  ///< preprocess each subject and keep the result
  group,        ///< everything that needs all subjects; subjects that are not finished are preprocessed first
};

/// A number that is chosen by the data, switched off, or given.
struct AutoNumber {
  enum class Kind { automatic, none, given } kind = Kind::automatic;
  double value = 0;
};

/// From the files of a dataset to clean series.
struct PrepareOptions {
  std::filesystem::path root;
  std::filesystem::path output;
  AnalysisLevel level = AnalysisLevel::all;
  DatasetQuery query;
  /// Filter cut-offs and the repetition time are filled in from `high_pass_hz` and the runs.
  PreprocessOptions preprocess;
  AutoNumber high_pass_hz;
  /// A mask image; empty: the runs' own brain masks, else masks from their mean images.
  std::filesystem::path mask;
  /// Labels or maps; empty: voxels, or geometric parcels of the mask.
  std::filesystem::path atlas;
  std::filesystem::path atlas_names;
  /// A table of points (`read_seeds`) whose spheres are the features; empty: none.
  std::filesystem::path spheres;
  /// Without it a sphere is the voxel that holds the point.
  std::optional<double> sphere_radius_mm;
  /// A mask or atlas of another grid than the runs', or with a contract a run of another grid than the model's, is
  /// resampled instead of refused, and the record says so.
  bool allow_resample = false;
  /// "auto" (voxels up to `kMostVoxelFeatures`, else parcels), "voxels" or "parcels". Clusters of voxels are the
  /// models' own (`ModelOptions::clusters`), since training samples make them.
  std::string features = "auto";
  int parcels = 400;
  /// What a trained model expects: its features and `preprocess` are taken as they are, and every run must fit. The
  /// cut-off, mask, atlas and features above are not looked at.
  std::shared_ptr<const InputContract> contract;
  std::string label_column = "trial_type";
  /// The label of a whole run: an entity of its name or a column of participants.tsv; empty: labels from events.
  std::string run_label;
  /// Subjects that are worked on at once.
  int processes = 1;
  /// Meshes of the left and the right cortex, to draw maps of grayordinates on; those of `preprocess` are the same
  /// ones.
  std::vector<std::filesystem::path> surfaces;
  std::uint64_t seed = 0;
  /// The effective configuration, kept with every result.
  std::string configuration;
};

/// Larger masks are divided into parcels, unless voxels are asked for.
inline constexpr std::int64_t kMostVoxelFeatures = 60000;

/// From clean series to samples and folds.
struct EvaluationOptions {
  LabelRule rule;
  ProblemOptions problem;
  /// Samples are estimates of single trials; delay, window and unit are then set by that.
  std::optional<TrialModel> single_trials;
};

/// Which models, and how they are fitted.
struct ModelOptions {
  /// Names of `model_names()`, and at most one list of mixers (a file .toml); empty: the default set.
  std::vector<std::string> models;
  int seeds = 3;
  std::uint64_t seed = 0;
  /// "auto", "none", "anova" or "task".
  std::string screening = "auto";
  double screening_keep = 500;
  bool screening_keep_is_percent = false;
  std::optional<bool> whiten;
  /// Voxels are joined to so many clusters (ReNA) by the training samples; 0: they are not.
  int clusters = 0;
  /// Of fc-ridge: "correlation", "partial-correlation" or "tangent".
  std::string connectivity = "correlation";
  std::optional<int> epochs;
  /// Networks hold in one subject (one run of a single subject) of their training samples and stop after so many epochs
  /// without a lower loss on it.
  std::optional<int> patience;
  /// Without it 200 for linear models and none for networks.
  std::optional<int> permutations;
  /// Where networks keep the state of their training, so that an interrupted command goes on from there.
  std::filesystem::path checkpoint_folder;
};

/// Which maps are made of the models.
struct ExplainOptions {
  /// Names of attribution methods.
  std::vector<std::string> methods{"gradient", "integrated-gradients"};
  bool glm = true;
  /// Maps are compared as they are and smoothed by this.
  double map_fwhm_mm = 8;
};

struct DecodeOptions {
  PrepareOptions prepare;
  EvaluationOptions evaluation;
  ModelOptions models;
  ExplainOptions explain;
  bool dry_run = false;
};

}  // namespace noema
