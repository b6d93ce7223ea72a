// report/decode_report: everything `noema decode` has to show, and the page that shows it.
#pragma once

#include <Eigen/Core>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "noema/core/log.h"
#include "noema/core/provenance.h"
#include "noema/io/gifti.h"
#include "noema/io/image.h"
#include "noema/report/connectome_plots.h"
#include "noema/report/svg.h"

namespace noema {

/// A row of the table of subjects.
struct SubjectRow {
  std::string subject;
  int runs = 0;
  std::int64_t volumes = 0;
  std::int64_t blocks = 0;
  std::int64_t samples = 0;
};

struct ModelResult {
  /// "ridge", "long-conv" …
  std::string name;
  bool is_baseline = false;
  std::int64_t samples = 0;
  int seeds = 1;
  double balanced_accuracy = kMissing;  ///< mean over seeds
  double sd_over_seeds = kMissing;
  double low = kMissing;  ///< 95 % interval of the balanced accuracy
  double high = kMissing;
  double accuracy = kMissing;
  double macro_f1 = kMissing;
  double log_loss = kMissing;
  double p_permutation = kMissing;
  /// Balanced accuracies with permuted labels.
  std::vector<double> null = {};
  /// Balanced accuracy by fold.
  std::vector<double> per_fold = {};
  /// (K, K) truth by prediction, over all folds, of the seed in the middle of the seeds' accuracies; (0, 0): none.
  Eigen::MatrixXi confusion = {};
};

/// The best decoder minus the best linear baseline, on the same samples.
struct ModelDifference {
  std::string first;
  std::string second;
  double difference = kMissing;
  double low = kMissing;
  double high = kMissing;
  double p = kMissing;
};

struct DelayCurve {
  std::string fold;
  double delay_s = kMissing;
  /// Could the data tell?
  bool determined = true;
  std::vector<double> shifts_s = {};
  std::vector<double> mean_abs_correlation = {};
};

struct SplitFacts {
  /// "One run is left out at a time: 12 folds."
  std::string description;
  std::string hash;
  std::vector<std::string> fold_names = {};
  std::vector<std::string> checks = {};
  std::vector<std::string> notes = {};
  std::vector<std::string> violations_allowed = {};
};

/// A score under a split that leaks, beside the honest one.
struct LeakComparison {
  std::string model;
  double leaking = kMissing;
  double honest = kMissing;
  /// What the leaking split was: "volumes shuffled into 12 folds".
  std::string leaking_split;
};

struct TrainingCurves {
  std::string model;
  /// "training loss", "validation balanced accuracy" …
  std::string quantity;
  /// One for each fold (and seed): a value per epoch.
  std::vector<std::vector<double>> runs;
};

struct ReportMap {
  std::string name;  ///< "GLM z", "long-conv gradient"
  std::string kind;  ///< "GLM", "attribution", "weights", "truth" …: what the colours mean is said once for each kind
  std::string label;  ///< class
  /// For the colour bar: "z".
  std::string unit;
  std::shared_ptr<const Image> image;
};

struct AgreementRow {
  std::string map_a;
  std::string map_b;
  std::string label;
  /// "signed", "absolute" or "positive part".
  std::string part;
  double pearson = kMissing;
  double spearman = kMissing;
  double dice_1 = kMissing;  ///< of the top 1 %
  double dice_5 = kMissing;
  double dice_10 = kMissing;
};

struct FaithfulnessCurve {
  std::string model;
  std::string method;
  std::vector<double> fraction;
  /// Margin when the features go in the order of the map, and in random order; 1 is the margin of the whole sample.
  std::vector<double> margin;
  std::vector<double> random;
  /// Half widths of bands; empty: none.
  std::vector<double> margin_error = {};
  std::vector<double> random_error = {};
  /// Mean of random − margin over the curve.
  double area = kMissing;
  double area_error = kMissing;
  std::int64_t samples = 0;
  /// Mean |residual| of the completeness axiom; missing for methods without it.
  double completeness_residual = kMissing;
};

/// Where a statistic is largest or smallest.
struct ContrastPeak {
  double t = kMissing;
  double z = kMissing;
  std::array<std::int64_t, 3> voxel{0, 0, 0};
  std::array<double, 3> ras_mm{0, 0, 0};
};

/// A contrast of a general linear model.
struct ContrastRow {
  std::string name;
  std::string formula;
  double df = kMissing;
  ContrastPeak max;
  ContrastPeak min;
  std::int64_t voxels = 0;
  /// With |z| above 3.1.
  std::int64_t voxels_above = 0;
};

struct DesignFigure {
  std::string run;
  std::vector<std::string> names;
  Eigen::MatrixXd values;  // (scans, regressors)
};

/// A loss of a workflow with everything fixed, and learned.
struct WorkflowLoss {
  std::string name;
  double weight = kMissing;
  double training_fixed = kMissing;
  double training_learned = kMissing;
  double held_out_fixed = kMissing;
  double held_out_learned = kMissing;
};

/// The amplitudes of a filter.
struct FilterResponse {
  std::string block;
  std::vector<double> frequency_hz;
  std::vector<double> fixed;
  std::vector<double> learned;
};

struct WorkflowFigure {
  std::string toml;
  std::vector<WorkflowLoss> losses;
  std::vector<FilterResponse> responses;
};

/// What the method text is composed of, beside models and maps.
struct MethodFacts {
  /// Sentences, in the order of the work.
  std::vector<std::string> preprocessing = {};
  /// Why this high-pass: one sentence.
  std::string high_pass_choice;
  /// "block" or "volume".
  std::string sample_unit;
  /// How the delay came about: "estimated", "declared", "hrf", "hcp" (none but its windows); empty: nothing is said.
  std::string delay_rule;
  /// Sentences on features, screening, models and GLM that hold for this run.
  std::vector<std::string> features = {};
  std::vector<std::string> glm = {};
  /// Names of attribution methods used ("gradient", "integrated-gradients" …).
  std::vector<std::string> attributions = {};
  int bootstrap_draws = 0;
  /// What the bootstrap draws: "runs".
  std::string bootstrap_groups;
  int permutations = 0;
};

/// All parts may be empty; what is empty leaves no trace on the page.
struct DecodeReport {
  /// Of the page; empty: "Decoding of <dataset>".
  std::string title;
  std::string dataset;
  std::string task;
  std::string space;
  std::vector<SubjectRow> subjects;
  std::vector<std::string> labels;
  /// Samples of each label; empty or as many as labels.
  std::vector<std::int64_t> samples_by_label;

  double chance = kMissing;
  std::vector<ModelResult> models;
  std::vector<ModelDifference> differences;
  std::vector<LeakComparison> leaks;
  SplitFacts split;
  std::vector<DelayCurve> delays;
  /// A sentence when a declared delay contradicts the data.
  std::string delay_warning;
  std::vector<TrainingCurves> training;

  std::shared_ptr<const Image> mean_image;
  std::vector<ReportMap> maps;
  /// Meshes to draw maps of grayordinates on; without them these are not drawn.
  std::vector<SurfaceMesh> surfaces;
  /// The share of a map's voxels that is coloured.
  double map_top_fraction = 0.2;
  std::vector<AgreementRow> agreement;
  std::vector<FaithfulnessCurve> faithfulness;
  std::vector<ContrastRow> contrasts;
  std::vector<DesignFigure> designs;
  std::vector<ConnectomeFigure> connectomes;
  WorkflowFigure workflow;

  MethodFacts method;
  std::vector<WarningCollector::Entry> warnings;
  Provenance provenance;
  /// Path and what it is.
  std::vector<std::pair<std::string, std::string>> files;
  std::vector<std::pair<std::string, double>> seconds_by_stage;
  /// 0: not known.
  std::uint64_t peak_memory_bytes = 0;
};

/// The page, as one file of HTML that refers to no other.
/// @throws ShapeError if parts do not fit together: a confusion matrix and the labels, a map and the mean image.
std::string decode_report_html(const DecodeReport& report);

}  // namespace noema
