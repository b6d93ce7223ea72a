// noema report
#include <fmt/format.h>

#include "noema/cli/commands.h"
#include "noema/core/error.h"
#include "noema/pipelines/results_page.h"

namespace noema {
namespace {

int run_report(const CommandArguments& arguments) {
  const std::filesystem::path folder = arguments.path("out_dir");
  if (!std::filesystem::is_directory(folder)) {
    throw UsageError(fmt::format("'{}' is a file, expected the output folder of a noema command", folder.string()));
  }
  write_report(folder);
  fmt::print("{}\n", (folder / "report.html").string());
  return 0;
}

}  // namespace

CommandSpec report_command() {
  CommandSpec spec;
  spec.name = "report";
  spec.synopsis = "Makes the report of an output folder again";
  spec.description = {
      "Makes report.html again from what decode, evaluate, finetune, interpret, glm or compare left in its output "
      "folder: results.json, and the maps, mean images and design tables that it names. Nothing is computed anew, so "
      "the page says what the first one said; it is made again after an update of noema, or when maps in the folder "
      "were exchanged for others on the same grid."};
  spec.arguments = {input_path("out_dir", "OUT_DIR", "The output folder of an earlier command")};
  spec.examples = {{"noema report results", "Writes results/report.html again."}};
  spec.run = run_report;
  return spec;
}

}  // namespace noema
