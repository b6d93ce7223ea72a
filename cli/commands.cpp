#include "noema/cli/commands.h"

namespace noema {

std::vector<CommandSpec> all_commands() {
  return {decode_command(),    train_command(),       predict_command(), evaluate_command(),   finetune_command(),
          interpret_command(), searchlight_command(), glm_command(),     connectome_command(), fit_connectome_command(),
          compare_command(),   preprocess_command(),  report_command(),  info_command(),       simulate_command(),
          bench_command(),     doctor_command()};
}

}  // namespace noema
