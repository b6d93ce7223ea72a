// cli/option_groups: options that several commands share, and what they mean to the pipelines.
#pragma once

#include <string>
#include <vector>

#include "noema/core/command.h"
#include "noema/pipelines/options.h"

namespace noema {

/// BIDS_DIR, OUT_DIR and the analysis level.
std::vector<OptionSpec> bids_app_arguments();
OptionGroup dataset_options();
OptionGroup preprocess_options();
OptionGroup label_options();
OptionGroup evaluation_options();
OptionGroup model_options();
OptionGroup explain_options();

/// @throws UsageError for values that do not fit together.
PrepareOptions read_prepare_options(const CommandArguments& arguments);
/// Where labels come from, for commands that have `label_options`.
void read_label_sources(const CommandArguments& arguments, PrepareOptions& options);
EvaluationOptions read_evaluation_options(const CommandArguments& arguments);
ModelOptions read_model_options(const CommandArguments& arguments);
ExplainOptions read_explain_options(const CommandArguments& arguments);

/// "auto", "none" or a number. @throws UsageError
AutoNumber read_auto_number(const CommandArguments& arguments, const std::string& name);

}  // namespace noema
