// cli/commands: the descriptions of all commands; one file for each.
#pragma once

#include <vector>

#include "noema/core/command.h"

namespace noema {

CommandSpec bench_command();
CommandSpec connectome_command();
CommandSpec decode_command();
CommandSpec doctor_command();
CommandSpec evaluate_command();
CommandSpec finetune_command();
CommandSpec fit_connectome_command();
CommandSpec glm_command();
CommandSpec compare_command();
CommandSpec preprocess_command();
CommandSpec report_command();
CommandSpec searchlight_command();
CommandSpec info_command();
CommandSpec interpret_command();
CommandSpec predict_command();
CommandSpec simulate_command();
CommandSpec train_command();

/// In the order of the overview.
std::vector<CommandSpec> all_commands();

}  // namespace noema
