#include "noema/cli/commands.h"

namespace noema {

std::vector<CommandSpec> all_commands() {
  return {decode_command(), info_command(), simulate_command(), doctor_command()};
}

}  // namespace noema
