// pipelines/results: what a run found, as numbers: results.json and tables. The schema is docs/results.md.
#pragma once

#include <Eigen/Core>
#include <array>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "noema/core/provenance.h"
#include "noema/learn/scores.h"
#include "noema/report/decode_report.h"

namespace noema {

inline constexpr int kResultsSchema = 1;

struct PermutationResult {
  double p = 1;
  int n = 0;
  std::vector<double> null;
};

/// How one model did on one problem: means over its seeds; the interval and the confusion matrix are of the first
/// seed's predictions for models without seeds, of the median seed's for the others.
struct ModelScores {
  std::string name;
  /// True for what a model is compared with: majority, nuisance.
  bool is_baseline = false;
  /// "volumes", "blocks", "trials" or "runs".
  std::string sample_unit;
  std::int64_t samples = 0;
  /// What the interval draws: subjects, runs or blocks, and how many.
  std::string group_unit;
  int groups = 0;
  int seeds = 1;

  double balanced_accuracy = 0;
  double sd_over_seeds = 0;
  Interval interval;
  std::vector<double> per_fold;  // balanced accuracy, mean over seeds
  std::vector<double> per_seed;
  double accuracy = 0;
  double macro_f1 = 0;
  /// NaN where the model gives no probabilities.
  double log_loss = 0;
  Eigen::MatrixXi confusion;
  /// Where samples are volumes: blocks right by the vote of their volumes (mean over seeds), of how many.
  std::optional<double> blocks_right;
  int blocks = 0;
  std::optional<PermutationResult> permutation;
  /// With a split that leaks: the same model's balanced accuracy under the honest split.
  std::optional<double> honest_balanced_accuracy;
  double seconds = 0;
};

/// One row of agreement between two maps.
struct MapAgreement {
  std::string label;
  std::string first;
  std::string second;
  std::string part;
  double fwhm_mm = 0;
  double pearson = 0;
  double spearman = 0;
  std::vector<double> dice;
  std::int64_t features = 0;
};

/// One row of faithfulness: a deletion curve against random order.
struct FaithfulnessRow {
  std::string model;
  std::string method;
  std::int64_t samples = 0;
  double gain = 0;
  double standard_error = 0;
  std::vector<double> fraction;
  std::vector<double> margin;
  std::vector<double> random;
  /// Largest |completeness residual| as a share of the mean |margin|; NaN where the method has none.
  double residual = 0;
};

/// Balanced accuracy of the first minus that of the second model, on the same samples.
struct ScoreDifference {
  std::string first;
  std::string second;
  double difference = 0;
  Interval interval;
  double p = 1;
};

struct SplitRecord {
  std::string unit;
  std::string hash;
  int folds = 0;
  bool leaks = false;
  std::vector<std::string> checks;
  std::vector<std::string> notes;
  std::vector<std::string> violations;
  std::vector<double> delay_s;  // of each fold
  std::vector<std::string> fold_names;
};

/// A map of the report.
struct MapRecord {
  std::string file;  ///< relative to the output folder
  /// "GLM z", "long-conv gradient"
  std::string name;
  /// "GLM", "attribution", "pattern" …
  std::string kind;
  std::string label;
  /// Of its values, such as "z"; may be empty.
  std::string unit;
  /// The picture is smoothed by this within the mean image: single voxels are hard to see.
  double fwhm_mm = 0;
};

/// The design matrix of one run, as a table.
struct DesignRecord {
  std::string run;
  std::string file;  ///< relative to the output folder
};

/// A voxel where a statistic is largest or smallest.
struct PeakRecord {
  double t = 0;
  double z = 0;
  std::array<std::int64_t, 3> voxel{0, 0, 0};  ///< indices in the order of the file, from 0
  std::array<double, 3> ras_mm{0, 0, 0};
};

/// A connectivity matrix of the group.
struct ConnectomeRecord {
  /// "correlation" …
  std::string kind;
  std::string title;
  std::string file;  ///< relative to the output folder
};

struct ConnectomeFacts {
  /// Names and places of the regions, relative to the output folder.
  std::string regions_file;
  std::vector<ConnectomeRecord> matrices;
};

/// A loss of a workflow with everything fixed, and learned.
struct LossRow {
  std::string loss;
  double weight = 1;
  double training_fixed = 0, training_learned = 0;
  double held_out_fixed = 0, held_out_learned = 0;
};

/// The amplitudes of a learned filter, as a table.
struct ResponseRecord {
  std::string block;
  std::string file;  ///< relative to the output folder
};

struct WorkflowFacts {
  /// As it was declared.
  std::string toml;
  std::vector<LossRow> losses;
  std::vector<ResponseRecord> responses;
};

/// What a contrast of a general linear model found, in brief.
struct ContrastRecord {
  std::string name;
  std::string formula;
  /// "t" or "F"; peaks are of it.
  std::string statistic = "t";
  int subjects = 0;
  double df = 0;
  PeakRecord max;
  PeakRecord min;
  /// Voxels of the mask, and those with |z| above `kZThreshold`.
  std::int64_t voxels = 0;
  std::int64_t voxels_above = 0;
};
inline constexpr double kZThreshold = 3.1;

struct Results {
  std::string command;
  std::string dataset;
  std::vector<std::string> subjects;
  std::vector<std::string> failed_subjects;
  std::vector<std::string> labels;
  double chance = 0;
  SplitRecord split;
  std::vector<ModelScores> models;
  std::vector<ScoreDifference> comparisons;
  std::vector<MapAgreement> agreement;
  std::vector<FaithfulnessRow> faithfulness;
  std::vector<ContrastRecord> contrasts;

  /// Further parts of the report. Title: empty for that of a decoding.
  std::string title;
  std::string task;
  std::string space;
  std::vector<SubjectRow> subject_rows;
  std::vector<std::int64_t> samples_by_label;
  std::vector<DelayCurve> delays;
  std::vector<TrainingCurves> training;
  /// Images whose mean is the background of maps, relative to the output folder.
  std::vector<std::string> mean_images;
  /// Meshes that maps of grayordinates are drawn on.
  std::vector<std::string> surfaces;
  std::vector<MapRecord> maps;
  std::vector<DesignRecord> designs;
  std::optional<ConnectomeFacts> connectome;
  std::optional<WorkflowFacts> workflow;
  MethodFacts method;

  std::vector<std::pair<std::string, double>> seconds;  // by stage
  double peak_memory_mb = 0;
  std::map<std::string, int> warnings;
  std::vector<std::string> files;  // relative to the output folder
};

nlohmann::json to_json(const MapAgreement& row);
/// The content of results.json.
nlohmann::json to_json(const Results& results, const Provenance& provenance);

struct StoredResults {
  Results results;
  Provenance provenance;
};

/// The inverse of `write_results`. @throws IoError if the folder has no results.json; FormatError if that is no JSON,
/// of another schema, or lacks a field (named).
StoredResults read_results(const std::filesystem::path& folder);

/// Writes results.json, and models.tsv, agreement.tsv, faithfulness.tsv, contrasts.tsv and comparisons.tsv where there
/// are rows, to `folder`; adds their names to `results.files`. @throws IoError
void write_results(const std::filesystem::path& folder, Results& results, const Provenance& provenance);

}  // namespace noema
