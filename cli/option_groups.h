// cli/option_groups: options that several commands share, and what they mean to the pipelines.
#pragma once

#include <string>
#include <vector>

#include "noema/core/command.h"
#include "noema/pipelines/options.h"
#include "noema/pipelines/results.h"

namespace noema {

/// BIDS_DIR, OUT_DIR and the analysis level.
std::vector<OptionSpec> bids_app_arguments();
/// MODEL, BIDS_DIR and OUT_DIR.
std::vector<OptionSpec> model_and_dataset_arguments();
/// @param at_once  with the number of subjects that are worked on at once.
OptionGroup dataset_options(bool at_once = true);
/// @param what  is resampled, such as "A run on another grid than the model's".
OptionSpec allow_resample_option(const std::string& what);
OptionGroup preprocess_options();
/// Of these all but what cleans series.
OptionGroup series_options();
/// Which confounds and which volumes to leave out. @param fate  what becomes of the confounds
std::vector<OptionSpec> confound_options(const std::string& fate);
/// Which events are labels of what; `label_options` are these and how samples are made of them.
OptionGroup label_source_options();
OptionGroup label_options();
OptionGroup evaluation_options();
OptionGroup model_options();
OptionSpec attribution_option();
/// Meshes that grayordinates are smoothed along and drawn on.
OptionSpec surface_option();
OptionGroup explain_options();

/// Of commands that have `dataset_options`.
DatasetQuery read_query(const CommandArguments& arguments);
/// BIDS_DIR, OUT_DIR, `dataset_options` and the configuration, for commands without `preprocess_options`.
PrepareOptions read_dataset_options(const CommandArguments& arguments);
/// Of `series_options`.
PrepareOptions read_series_options(const CommandArguments& arguments);
/// @throws UsageError for values that do not fit together.
PrepareOptions read_prepare_options(const CommandArguments& arguments);
/// Of `confound_options`. @throws UsageError for what is no choice of confounds
void read_confound_options(const CommandArguments& arguments, PreprocessOptions& options);
/// Of `surface_option`, read from the files. @throws as read_meshes
void read_surfaces(const CommandArguments& arguments, PrepareOptions& options);
/// Where labels come from, for commands that have `label_options`.
void read_label_sources(const CommandArguments& arguments, PrepareOptions& options);
/// Of `label_source_options`.
LabelRule read_label_rule(const CommandArguments& arguments);
/// Of `label_options`: without a split.
EvaluationOptions read_sample_options(const CommandArguments& arguments);
EvaluationOptions read_evaluation_options(const CommandArguments& arguments);
/// Of `model_options` without seeds.
ModelOptions read_fitting_options(const CommandArguments& arguments);
/// Of `model_options`, and permutations.
ModelOptions read_model_options(const CommandArguments& arguments);
/// @throws UsageError for an unknown method.
std::vector<std::string> read_attribution_methods(const CommandArguments& arguments);
ExplainOptions read_explain_options(const CommandArguments& arguments);

/// A number out of a list of words. @throws UsageError
double read_number(const std::string& word, const std::string& option);

/// "auto", "none" or a number. @throws UsageError
AutoNumber read_auto_number(const CommandArguments& arguments, const std::string& name);

/// Balanced accuracies with their intervals, chance, and where the report lies, on stdout.
void print_scores(const Results& results, const std::filesystem::path& folder);

}  // namespace noema
