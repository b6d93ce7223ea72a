// io/stats_model: BIDS Stats Models files: which model is fitted to runs, subjects and the dataset, as JSON.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace noema {

/// A question to a node's columns: one row of weights for t, any number for F.
struct StatsContrast {
  std::string name;
  std::vector<std::string> conditions;
  std::vector<std::vector<double>> weights;
  bool is_f = false;
};

/// One level of the model.
struct StatsNode {
  std::string name;
  /// Columns as written, the intercept as "1".
  std::vector<std::string> columns;
  std::vector<StatsContrast> contrasts;
  /// A contrast for each column (or each of these): test "t".
  bool has_dummy_contrasts = false;
  std::vector<std::string> dummy_conditions;
};

/// How events become columns of a run.
struct StatsConvolution {
  std::vector<std::string> inputs;
  std::string model;  ///< "spm" or "glover"
  bool derivative = false;
  bool dispersion = false;
};

struct StatsModel {
  std::string name;
  /// "task", "subject", "session", "run", "space": the values to take; others are refused.
  std::map<std::string, std::vector<std::string>> input;
  StatsNode run;
  /// The column of the events that holds conditions.
  std::string factor = "trial_type";
  std::optional<StatsConvolution> convolution;
  std::optional<double> high_pass_hz;
  std::optional<StatsNode> session;
  std::optional<StatsNode> subject;
  /// Columns of participants; of a factor one for each value, "group.patient".
  std::optional<StatsNode> dataset;
};

/// Reads the common subset of BIDS Stats Models 1.0: one node of each of the levels Run, Session, Subject and Dataset
/// (all but the run optional), in a chain; at the run the transformations Factor and Convolve and a model of Type
/// "glm"; at session and subject X of 1 and Type "meta" (or glm); at the dataset Factor and a model of Type "glm".
/// GroupBy, where given, is that of the level: run and subject (session and task if you like); session, subject and
/// contrast; subject and contrast; contrast. Edges, where given, join each level with the next one; without them the
/// nodes stand in the order of the levels. Options are those of the run alone;
/// contrasts with Test t or F, weights as numbers or fractions ("1/3"), dummy contrasts with Test t.
/// @throws IoError; FormatError naming the field for anything that is missing, broken, or not supported.
StatsModel read_stats_model(const std::filesystem::path& path);

}  // namespace noema
