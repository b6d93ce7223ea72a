// The command `noema`: finds the sub-command, runs it, and turns errors into messages and exit statuses.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "noema/cli/commands.h"
#include "noema/cli/terminal.h"
#include "noema/core/error.h"
#include "noema/core/provenance.h"
#include "noema/core/settings.h"
#include "noema/core/version.h"
#include "noema/io/atomic_file.h"
#include "noema/learn/torch_settings.h"

namespace noema {
namespace {

enum Status { kOk = 0, kFailed = 1, kUsage = 2, kInterrupted = 130 };

std::string overview() {
  std::string text = "noema decodes cognitive states from fMRI, and explains how.\n\nusage: noema COMMAND …\n\n";
  for (const CommandSpec& command : all_commands()) text += fmt::format("  {:<12}{}\n", command.name, command.synopsis);
  return text +
         "\n  noema COMMAND --help   what a command takes, with examples\n"
         "  noema --version        what was built\n"
         "  noema completion       a completion script for bash, for: source <(noema completion)\n";
}

const CommandSpec& find_command(const std::vector<CommandSpec>& commands, const std::string& name) {
  std::vector<std::string> names;
  for (const CommandSpec& command : commands) {
    if (command.name == name) return command;
    names.push_back(command.name);
  }
  const auto nearest = nearest_match(name, names);
  throw UsageError(fmt::format("unknown command '{}'{}; see noema --help", name,
                               nearest ? fmt::format(", did you mean '{}'?", *nearest) : ""));
}

/// Writes the Markdown page of each command to `folder`: the source of docs/reference/commands.
int write_reference(const std::filesystem::path& folder) {
  for (const CommandSpec& command : all_commands())
    write_file(folder / (command.name + ".md"), command_markdown(command));
  return kOk;
}

void apply_common(const CommandArguments& arguments) {
  use_terminal({arguments.flag("quiet"), arguments.flag("verbose")});
  use_torch_settings();
  if (arguments.has("threads")) set_thread_count(static_cast<int>(arguments.integer("threads")));
  set_device(arguments.text("device"));
}

bool wants(const std::vector<std::string>& words, const char* flag) {
  for (const std::string& word : words) {
    if (word == flag) return true;
  }
  return false;
}

int run(const std::vector<std::string>& words) {
  if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    std::fputs(overview().c_str(), words.empty() ? stderr : stdout);
    return words.empty() ? kUsage : kOk;
  }
  if (words[0] == "--version") {
    fmt::print("noema {} ({})\n", build_info().version, build_info().git_revision);
    return kOk;
  }
  if (words[0] == "completion") {
    std::fputs(bash_completion(all_commands()).c_str(), stdout);
    return kOk;
  }
  if (words[0] == "reference" && words.size() == 2) return write_reference(words[1]);
  const std::vector<CommandSpec> commands = all_commands();
  const CommandSpec& command = find_command(commands, words[0]);
  const std::vector<std::string> rest(words.begin() + 1, words.end());
  if (wants(rest, "--help") || wants(rest, "-h")) {
    std::fputs(command_help(command).c_str(), stdout);
    return kOk;
  }
  const CommandArguments arguments = parse_command(command, rest);
  apply_common(arguments);
  return command.run(arguments);
}

int report_error(const std::exception& error, bool debug) {
  fmt::print(stderr, "noema: error: {}\n", error.what());
  if (const auto* ours = dynamic_cast<const Error*>(&error); ours && debug) {
    fmt::print(stderr, "  at {}:{} in {}\n", ours->where().file_name(), ours->where().line(),
               ours->where().function_name());
  }
  if (dynamic_cast<const Cancelled*>(&error)) return kInterrupted;
  return dynamic_cast<const UsageError*>(&error) ? kUsage : kFailed;
}

}  // namespace
}  // namespace noema

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  noema::use_terminal({});
  noema::handle_interrupts();
  noema::set_command_line(argc, argv);
  try {
    return noema::run(words);
  } catch (const std::exception& error) {
    return noema::report_error(error, noema::wants(words, "--debug"));
  }
}
