// pipelines/results: what a run found, as numbers: results.json and tables. The schema is docs/results.md.
#pragma once

#include <Eigen/Core>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "noema/learn/scores.h"

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
};

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
  std::vector<std::pair<std::string, double>> seconds;  // by stage
  double peak_memory_mb = 0;
  std::map<std::string, int> warnings;
  std::vector<std::string> files;  // relative to the output folder
};

nlohmann::json to_json(const Results& results, const nlohmann::json& provenance);

/// Writes results.json, models.tsv, agreement.tsv and faithfulness.tsv (where there are rows) to `folder`; adds their
/// names to `results.files`. @throws IoError
void write_results(const std::filesystem::path& folder, Results& results, const nlohmann::json& provenance);

/// The largest resident memory of this process so far, in MB.
double peak_memory_mb();

}  // namespace noema
