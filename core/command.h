// core/command: a command as data. Parsing, --help, the Markdown reference and shell completion all come from it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace noema {

enum class ValueKind { flag, text, integer, number, choice, input_path, output_path };

/// One `--long-option` (also a key of a configuration file), or one positional argument when used as such.
///
/// Made by the functions below and refined by chaining: `number("fwhm", "MM", "…").by_default("6").range(0, 100)`.
struct OptionSpec {
  std::string name;
  ValueKind kind = ValueKind::text;
  /// What stands for the value in the help, with its unit: "MM", "HZ", "SECONDS".
  std::string value_name;
  std::string help;
  std::string default_value;
  std::vector<std::string> choices;
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  /// Several values, by commas or by giving several words after the option.
  bool list = false;
  bool optional = false;
  std::string group = "Options";

  OptionSpec& by_default(std::string value);
  OptionSpec& range(double from, double to);
  OptionSpec& many();
  OptionSpec& may_be_absent();
};

OptionSpec flag(std::string name, std::string help);
OptionSpec text(std::string name, std::string value_name, std::string help);
OptionSpec integer(std::string name, std::string value_name, std::string help);
OptionSpec number(std::string name, std::string value_name, std::string help);
OptionSpec choice(std::string name, std::vector<std::string> choices, std::string help);
OptionSpec input_path(std::string name, std::string value_name, std::string help);
OptionSpec output_path(std::string name, std::string value_name, std::string help);

struct OptionGroup {
  std::string title;
  std::vector<OptionSpec> options;
};

struct CommandExample {
  std::string command_line;
  std::string explanation;
};

/// The parsed values of one call: command line over configuration file over defaults.
class CommandArguments {
 public:
  bool has(std::string_view name) const;
  /// Was the value given (not a default)?
  bool given(std::string_view name) const;
  bool flag(std::string_view name) const;
  std::string text(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  double number(std::string_view name) const;
  std::filesystem::path path(std::string_view name) const;
  std::vector<std::string> list(std::string_view name) const;
  /// All options with their effective values as TOML, in the order of the description: written beside every result.
  const std::string& effective_toml() const { return toml_; }

 private:
  friend struct CommandParser;
  const std::vector<std::string>& values(std::string_view name) const;
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
  std::map<std::string, bool, std::less<>> given_;
  std::string toml_;
};

struct CommandSpec {
  std::string name;
  /// One line without a full stop.
  std::string synopsis;
  /// Paragraphs.
  std::vector<std::string> description;
  std::vector<OptionSpec> arguments;
  std::vector<OptionGroup> groups;
  std::vector<CommandExample> examples;
  std::vector<std::string> references;
  /// Returns the exit status; throws for errors.
  std::function<int(const CommandArguments&)> run;
};

/// The options every command has: --config, --seed, --threads, --device, --quiet, --verbose, --debug, --help.
OptionGroup common_options();

/// Parses the words after the command's name; checks kinds, ranges, choices and that input paths exist.
///
/// @throws UsageError naming the option, what was found, what was expected, and for an unknown name the nearest known one.
CommandArguments parse_command(const CommandSpec& spec, const std::vector<std::string>& words);

/// Text for a terminal of `width` columns.
std::string command_help(const CommandSpec& spec, int width = 100);
/// The page of docs/reference/commands.
std::string command_markdown(const CommandSpec& spec);
/// What is wrong with a description: an option without help, an example that does not parse … ; empty when sound.
std::vector<std::string> command_problems(const CommandSpec& spec);
/// A bash completion script for all commands.
std::string bash_completion(const std::vector<CommandSpec>& commands);

/// The candidate with the least edit distance to `word`, if it is near enough to be meant.
std::optional<std::string> nearest_match(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace noema
