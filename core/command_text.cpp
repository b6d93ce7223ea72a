// The texts made from a command's description: help, Markdown, completion, and the check of the description itself.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <sstream>

#include "noema/core/command.h"
#include "noema/core/error.h"

namespace noema {
namespace {

std::vector<OptionGroup> groups_for_people(const CommandSpec& spec) {
  std::vector<OptionGroup> groups = spec.groups;
  groups.push_back(common_options());
  groups.back().options.push_back(flag("help", "Show this help"));
  return groups;
}

std::string wrap(const std::string& text, int width, int indent) {
  std::istringstream words(text);
  std::string line(static_cast<std::size_t>(indent), ' '), out;
  bool empty = true;
  for (std::string word; words >> word;) {
    if (!empty && static_cast<int>(line.size() + 1 + word.size()) > width) {
      out += line + "\n";
      line.assign(static_cast<std::size_t>(indent), ' ');
      empty = true;
    }
    line += (empty ? "" : " ") + word;
    empty = false;
  }
  return out + line + "\n";
}

std::string head(const OptionSpec& option) {
  if (option.kind == ValueKind::flag) return "--" + option.name;
  return fmt::format("--{} {}{}", option.name, option.value_name, option.list ? "[,…]" : "");
}

std::string facts(const OptionSpec& option) {
  std::string text;
  if (option.minimum > -std::numeric_limits<double>::max() && option.maximum < 1e15) {
    text += fmt::format(" From {} to {}.", option.minimum, option.maximum);
  }
  if (option.kind != ValueKind::flag && !option.default_value.empty()) {
    text += fmt::format(" Default: {}.", option.default_value);
  }
  return text;
}

std::string full_help(const OptionSpec& option) {
  return option.help + (option.help.ends_with(".") ? "" : ".") + facts(option);
}

std::string usage_line(const CommandSpec& spec) {
  std::string line = "noema " + spec.name;
  for (const OptionSpec& argument : spec.arguments) {
    const std::string name = argument.value_name + (argument.list ? "…" : "");
    line += argument.optional ? " [" + name + "]" : " " + name;
  }
  return line + " [options]";
}

// Splits an example's command line as a shell would, for words and quotes.
std::vector<std::string> split_words(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  char quote = 0;
  bool open = false;
  for (char c : line) {
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      open = true;
    } else if (c == ' ') {
      if (open || !word.empty()) words.push_back(word);
      word.clear();
      open = false;
    } else {
      word += c;
    }
  }
  if (open || !word.empty()) words.push_back(word);
  return words;
}

// An example's input files need not exist where its description is checked.
CommandSpec without_existence_checks(CommandSpec spec) {
  const auto relax = [](OptionSpec& option) {
    if (option.kind == ValueKind::input_path) option.kind = ValueKind::text;
  };
  for (OptionSpec& argument : spec.arguments) relax(argument);
  for (OptionGroup& group : spec.groups) {
    for (OptionSpec& option : group.options) relax(option);
  }
  return spec;
}

}  // namespace

std::string command_help(const CommandSpec& spec, int width) {
  std::string out = fmt::format("{}: {}\n\nUsage: {}\n", spec.name, spec.synopsis, usage_line(spec));
  for (const std::string& paragraph : spec.description) out += "\n" + wrap(paragraph, width, 0);
  if (!spec.arguments.empty()) {
    out += "\nArguments:\n";
    for (const OptionSpec& argument : spec.arguments) {
      out += "  " + argument.value_name + "\n" + wrap(full_help(argument), width, 6);
    }
  }
  for (const OptionGroup& group : groups_for_people(spec)) {
    out += "\n" + group.title + ":\n";
    for (const OptionSpec& option : group.options) out += "  " + head(option) + "\n" + wrap(full_help(option), width, 6);
  }
  if (!spec.examples.empty()) out += "\nExamples:\n";
  for (const CommandExample& example : spec.examples) {
    out += "  " + example.command_line + "\n" + wrap(example.explanation, width, 6);
  }
  if (!spec.references.empty()) out += "\nReferences:\n";
  for (const std::string& reference : spec.references) out += wrap(reference, width, 2);
  return out;
}

std::string command_markdown(const CommandSpec& spec) {
  std::string out = fmt::format("# noema {}\n\n{}.\n\n```\n{}\n```\n", spec.name, spec.synopsis, usage_line(spec));
  for (const std::string& paragraph : spec.description) out += "\n" + paragraph + "\n";
  const auto row = [](const std::string& name, const OptionSpec& option) {
    std::string help = full_help(option), escaped;
    for (char c : help) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
    std::string shown = name, shown_escaped;
    for (char c : shown) shown_escaped += c == '|' ? std::string("\\|") : std::string(1, c);
    return fmt::format("| `{}` | {} |\n", shown_escaped, escaped);
  };
  if (!spec.arguments.empty()) {
    out += "\n## Arguments\n\n| argument | meaning |\n| --- | --- |\n";
    for (const OptionSpec& argument : spec.arguments) out += row(argument.value_name, argument);
  }
  for (const OptionGroup& group : groups_for_people(spec)) {
    out += fmt::format("\n## {}\n\n| option | meaning |\n| --- | --- |\n", group.title);
    for (const OptionSpec& option : group.options) out += row(head(option), option);
  }
  if (!spec.examples.empty()) out += "\n## Examples\n";
  for (const CommandExample& example : spec.examples) {
    out += fmt::format("\n```\n{}\n```\n\n{}\n", example.command_line, example.explanation);
  }
  if (!spec.references.empty()) out += "\n## References\n\n";
  for (const std::string& reference : spec.references) out += "- " + reference + "\n";
  return out;
}

std::vector<std::string> command_problems(const CommandSpec& spec) {
  std::vector<std::string> problems;
  if (spec.synopsis.empty() || spec.synopsis.ends_with(".")) problems.push_back("the synopsis is empty or ends in '.'");
  if (spec.examples.empty()) problems.push_back("there is no example");
  if (!spec.run) problems.push_back("nothing is run");
  std::vector<std::string> names;
  for (const OptionGroup& group : groups_for_people(spec)) {
    for (const OptionSpec& option : group.options) {
      if (option.help.empty()) problems.push_back("--" + option.name + " has no help");
      if (option.kind != ValueKind::flag && option.value_name.empty()) {
        problems.push_back("--" + option.name + " does not name its value");
      }
      if (std::find(names.begin(), names.end(), option.name) != names.end()) {
        problems.push_back("--" + option.name + " stands twice");
      }
      names.push_back(option.name);
    }
  }
  if (!problems.empty()) return problems;  // an unsound description cannot parse its examples
  const CommandSpec relaxed = without_existence_checks(spec);
  for (const CommandExample& example : spec.examples) {
    std::vector<std::string> words = split_words(example.command_line);
    if (words.size() < 2 || words[0] != "noema" || words[1] != spec.name) {
      problems.push_back("example '" + example.command_line + "' does not begin with 'noema " + spec.name + "'");
      continue;
    }
    try {
      parse_command(relaxed, {words.begin() + 2, words.end()});
    } catch (const Error& error) {
      problems.push_back("example '" + example.command_line + "': " + error.what());
    }
  }
  return problems;
}

std::string bash_completion(const std::vector<CommandSpec>& commands) {
  std::string names, cases;
  for (const CommandSpec& command : commands) {
    names += (names.empty() ? "" : " ") + command.name;
    std::string options;
    for (const OptionGroup& group : groups_for_people(command)) {
      for (const OptionSpec& option : group.options) options += (options.empty() ? "--" : " --") + option.name;
    }
    cases += fmt::format("    {}) words=\"{}\" ;;\n", command.name, options);
  }
  return fmt::format(
      "_noema() {{\n"
      "  local word=\"${{COMP_WORDS[COMP_CWORD]}}\" words=\"{}\"\n"
      "  if [ \"$COMP_CWORD\" -gt 1 ]; then\n"
      "    case \"${{COMP_WORDS[1]}}\" in\n{}    *) words= ;;\n    esac\n"
      "  fi\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
      "}}\n"
      "complete -o default -F _noema noema\n",
      names, cases);
}

}  // namespace noema
