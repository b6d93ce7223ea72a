#include "noema/core/command.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <numeric>
#include <sstream>
#include <utility>

#include "noema/core/error.h"

namespace noema {
namespace {

OptionSpec make(std::string name, ValueKind kind, std::string value_name, std::string help) {
  OptionSpec option;
  option.name = std::move(name);
  option.kind = kind;
  option.value_name = std::move(value_name);
  option.help = std::move(help);
  return option;
}

template <class Number>
std::optional<Number> parse_number(const std::string& text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string join(const std::vector<std::string>& words, std::string_view separator) {
  return fmt::format("{}", fmt::join(words, separator));
}

std::vector<OptionGroup> all_groups(const CommandSpec& spec) {
  std::vector<OptionGroup> groups = spec.groups;
  groups.push_back(common_options());
  return groups;
}

void check_value(const OptionSpec& option, const std::string& shown, const std::string& value) {
  switch (option.kind) {
    case ValueKind::integer:
    case ValueKind::number: {
      const bool whole = option.kind == ValueKind::integer;
      const std::optional<double> parsed = parse_number<double>(value);
      if (!parsed || (whole && !parse_number<std::int64_t>(value))) {
        throw UsageError(
            fmt::format("{}: found '{}', expected {}", shown, value, whole ? "a whole number" : "a number"));
      }
      if (!(*parsed >= option.minimum && *parsed <= option.maximum)) {
        throw UsageError(
            fmt::format("{}: found {}, expected a value from {} to {}", shown, value, option.minimum, option.maximum));
      }
      break;
    }
    case ValueKind::choice:
      if (std::find(option.choices.begin(), option.choices.end(), value) == option.choices.end()) {
        const auto nearest = nearest_match(value, option.choices);
        throw UsageError(fmt::format("{}: found '{}', expected one of {}{}", shown, value, join(option.choices, ", "),
                                     nearest ? "; did you mean '" + *nearest + "'?" : ""));
      }
      break;
    case ValueKind::input_path:
      if (!std::filesystem::exists(value)) {
        throw UsageError(fmt::format("{}: '{}' does not exist", shown, value));
      }
      break;
    default:
      break;
  }
}

std::string toml_value(const OptionSpec& option, const std::string& value) {
  const bool bare = option.kind == ValueKind::flag || (option.kind == ValueKind::integer && !value.empty()) ||
                    (option.kind == ValueKind::number && !value.empty());
  if (bare) return value;
  std::ostringstream out;
  out << toml::value<std::string>(value);
  return out.str();
}

}  // namespace

// Builds CommandArguments; the one friend of it.
struct CommandParser {
  const CommandSpec& spec;
  CommandArguments result;

  static std::string shown(const OptionSpec& option, bool positional) {
    return positional ? option.value_name : "--" + option.name;
  }

  void store(const OptionSpec& option, bool positional, std::vector<std::string> values, bool is_given) {
    if (option.list) {
      std::vector<std::string> parts;
      for (const std::string& value : values) {
        std::stringstream stream(value);
        for (std::string part; std::getline(stream, part, ',');) {
          if (!part.empty()) parts.push_back(part);
        }
      }
      values = std::move(parts);
    }
    for (const std::string& value : values) check_value(option, shown(option, positional), value);
    result.values_[option.name] = std::move(values);
    result.given_[option.name] = is_given;
  }

  void read_config(const std::filesystem::path& path) {
    toml::table table;
    try {
      table = toml::parse_file(path.string());
    } catch (const toml::parse_error& error) {
      throw FormatError(path, -1,
                        fmt::format("line {}: {}", error.source().begin.line, std::string(error.description())));
    }
    std::vector<std::string> known;
    for (const OptionGroup& group : all_groups(spec)) {
      for (const OptionSpec& option : group.options) known.push_back(option.name);
    }
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      const OptionSpec* option = find(name);
      if (option == nullptr) {
        const auto nearest = nearest_match(name, known);
        throw UsageError(fmt::format("'{}': unknown key '{}'{}; the keys are the long options of `noema {}`",
                                     path.string(), name, nearest ? ", did you mean '" + *nearest + "'?" : "",
                                     spec.name));
      }
      if (result.given(name)) continue;  // the command line wins
      with_context("'" + path.string() + "'", [&] { store(*option, false, config_values(name, node), true); });
    }
  }

  static std::vector<std::string> config_values(const std::string& name, const toml::node& node) {
    if (const toml::array* array = node.as_array()) {
      std::vector<std::string> values;
      for (const toml::node& element : *array) {
        for (std::string& value : config_values(name, element)) values.push_back(std::move(value));
      }
      return values;
    }
    if (const auto* value = node.as_string()) return {value->get()};
    if (const auto* value = node.as_boolean()) return {value->get() ? "true" : "false"};
    if (const auto* value = node.as_integer()) return {std::to_string(value->get())};
    if (const auto* value = node.as_floating_point()) return {fmt::format("{}", value->get())};
    throw UsageError("key '" + name + "': expected text, a number, true or false, or a list of them");
  }

  const OptionSpec* find(const std::string& name) {
    for (groups_ = all_groups(spec); const OptionGroup& group : groups_) {
      for (const OptionSpec& option : group.options) {
        if (option.name == name) return &option;
      }
    }
    return nullptr;
  }

  void write_toml() {
    for (const OptionGroup& group : all_groups(spec)) {
      for (const OptionSpec& option : group.options) {
        if (option.name == "config" || option.name == "help" || !result.has(option.name)) continue;
        const std::vector<std::string>& values = result.values_[option.name];
        if (option.list) {
          std::vector<std::string> parts;
          for (const std::string& value : values) parts.push_back(toml_value(option, value));
          result.toml_ += fmt::format("{} = [{}]\n", option.name, join(parts, ", "));
        } else if (!values.empty() && !values[0].empty()) {
          result.toml_ += fmt::format("{} = {}\n", option.name, toml_value(option, values[0]));
        }
      }
    }
  }

  std::vector<OptionGroup> groups_;
};

OptionSpec& OptionSpec::by_default(std::string value) {
  default_value = std::move(value);
  return *this;
}
OptionSpec& OptionSpec::range(double from, double to) {
  minimum = from;
  maximum = to;
  return *this;
}
OptionSpec& OptionSpec::many() {
  list = true;
  return *this;
}
OptionSpec& OptionSpec::may_be_absent() {
  optional = true;
  return *this;
}

OptionSpec flag(std::string name, std::string help) {
  return make(std::move(name), ValueKind::flag, "", std::move(help)).by_default("false");
}
OptionSpec text(std::string name, std::string value_name, std::string help) {
  return make(std::move(name), ValueKind::text, std::move(value_name), std::move(help));
}
OptionSpec integer(std::string name, std::string value_name, std::string help) {
  return make(std::move(name), ValueKind::integer, std::move(value_name), std::move(help));
}
OptionSpec number(std::string name, std::string value_name, std::string help) {
  return make(std::move(name), ValueKind::number, std::move(value_name), std::move(help));
}
OptionSpec choice(std::string name, std::vector<std::string> choices, std::string help) {
  OptionSpec option = make(std::move(name), ValueKind::choice, join(choices, "|"), std::move(help));
  option.choices = std::move(choices);
  return option;
}
OptionSpec input_path(std::string name, std::string value_name, std::string help) {
  return make(std::move(name), ValueKind::input_path, std::move(value_name), std::move(help));
}
OptionSpec output_path(std::string name, std::string value_name, std::string help) {
  return make(std::move(name), ValueKind::output_path, std::move(value_name), std::move(help));
}

const std::vector<std::string>& CommandArguments::values(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) throw UsageError("the value of '" + std::string(name) + "' is needed but was not given");
  return found->second;
}
bool CommandArguments::has(std::string_view name) const {
  const auto found = values_.find(name);
  return found != values_.end() && !found->second.empty() && !found->second[0].empty();
}
bool CommandArguments::given(std::string_view name) const {
  const auto found = given_.find(name);
  return found != given_.end() && found->second;
}
bool CommandArguments::flag(std::string_view name) const { return has(name) && values(name)[0] == "true"; }
std::string CommandArguments::text(std::string_view name) const {
  const std::vector<std::string>& found = values(name);
  return found.empty() ? std::string() : found[0];
}
std::int64_t CommandArguments::integer(std::string_view name) const { return *parse_number<std::int64_t>(text(name)); }
double CommandArguments::number(std::string_view name) const { return *parse_number<double>(text(name)); }
std::filesystem::path CommandArguments::path(std::string_view name) const { return text(name); }
std::vector<std::string> CommandArguments::list(std::string_view name) const {
  return has(name) ? values(name) : std::vector<std::string>{};
}

OptionGroup common_options() {
  return {"Common options",
          {input_path("config", "FILE",
                      "Take options from a TOML file whose keys are the long options; "
                      "the command line wins over it"),
           integer("seed", "N", "Seed of all random numbers").by_default("0").range(0, 9.2e18),
           integer("threads", "N", "Threads; by default all processors this process may use").range(1, 4096),
           text("device", "NAME", "Where networks run: auto, cpu, cuda or cuda:N").by_default("auto"),
           flag("quiet", "Say nothing but errors"), flag("verbose", "Also say what is done step by step"),
           flag("debug", "Add the place in the source to error messages")}};
}

CommandArguments parse_command(const CommandSpec& spec, const std::vector<std::string>& words) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras(false);
  std::map<std::string, std::vector<std::string>> raw;
  std::map<std::string, bool> flags;
  std::vector<std::string> known;
  const std::vector<OptionGroup> groups = all_groups(spec);
  for (const OptionSpec& argument : spec.arguments) {
    CLI::Option* option = app.add_option(argument.name, raw[argument.name]);
    option->expected(1, argument.list ? CLI::detail::expected_max_vector_size : 1);
    option->allow_extra_args(argument.list);  // else the first argument takes all words
    option->required(!argument.optional);
  }
  for (const OptionGroup& group : groups) {
    for (const OptionSpec& option : group.options) {
      known.push_back("--" + option.name);
      if (option.kind == ValueKind::flag) {
        app.add_flag("--" + option.name, flags[option.name]);
      } else if (option.list) {
        app.add_option("--" + option.name, raw[option.name])->expected(1, CLI::detail::expected_max_vector_size);
      } else {
        app.add_option("--" + option.name, raw[option.name])->expected(1);
      }
    }
  }
  for (const std::string& word : words) {
    const std::string option = word.substr(0, word.find('='));
    if (!option.starts_with("--") || std::find(known.begin(), known.end(), option) != known.end()) continue;
    const auto nearest = nearest_match(option, known);
    throw UsageError(fmt::format("unknown option '{}'{}; see `noema {} --help`", option,
                                 nearest ? ", did you mean '" + *nearest + "'?" : "", spec.name));
  }
  try {
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    app.parse(reversed);
  } catch (const CLI::RequiredError&) {
    std::vector<std::string> names;
    for (const OptionSpec& argument : spec.arguments) {
      if (!argument.optional && raw[argument.name].empty()) names.push_back(argument.value_name);
    }
    throw UsageError(fmt::format("missing {}; see `noema {} --help`", join(names, " and "), spec.name));
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string what = error.what();
    throw UsageError(fmt::format("{}: expected one value, given once; see `noema {} --help`",
                                 what.substr(0, what.find(':')), spec.name));
  } catch (const CLI::ParseError& error) {
    throw UsageError(fmt::format("{}; see `noema {} --help`", error.what(), spec.name));
  }

  CommandParser parser{spec, {}, {}};
  for (const OptionSpec& argument : spec.arguments) {
    std::vector<std::string>& values = raw[argument.name];
    const bool is_given = !values.empty();
    if (!is_given && argument.default_value.empty()) continue;
    parser.store(argument, true, is_given ? values : std::vector{argument.default_value}, is_given);
  }
  for (const OptionGroup& group : groups) {
    for (const OptionSpec& option : group.options) {
      if (option.kind == ValueKind::flag) {
        if (flags[option.name]) parser.store(option, false, {"true"}, true);
      } else if (!raw[option.name].empty()) {
        parser.store(option, false, raw[option.name], true);
      }
    }
  }
  if (parser.result.has("config")) parser.read_config(parser.result.path("config"));
  for (const OptionGroup& group : groups) {
    for (const OptionSpec& option : group.options) {
      if (!parser.result.given(option.name) && !option.default_value.empty()) {
        parser.store(option, false, {option.default_value}, false);
      }
    }
  }
  parser.write_toml();
  return std::move(parser.result);
}

std::optional<std::string> nearest_match(std::string_view word, const std::vector<std::string>& candidates) {
  const auto distance = [](std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= b.size(); ++j) {
        const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
      }
    }
    return row.back();
  };
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t d = distance(word, candidate);
    if (d < best_distance) {
      best_distance = d;
      best = candidate;
    }
  }
  return best;
}

}  // namespace noema
