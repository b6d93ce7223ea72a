#include "noema/pipelines/backbone_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <algorithm>
#include <optional>
#include <sstream>
#include <type_traits>
#include <variant>
#include <vector>

#include "noema/core/command.h"
#include "noema/core/error.h"
#include "noema/core/random.h"
#include "noema/learn/training.h"

namespace noema {
namespace {

constexpr int kMostRepeats = 1000;
const std::vector<std::string> kKeys{"channels", "input_dropout", "kernel_learning_rate_scale", "mixer",
                                     "output_dropout"};

/// Reads the values of one file, and says where they stand when they cannot be.
class BackboneReader {
 public:
  explicit BackboneReader(const std::filesystem::path& path) : path_(path) {}

  BackboneOptions read(const toml::table& table) {
    for (const auto& [key, node] : table) check_key(std::string(key.str()), key);
    BackboneOptions options;
    set(table, "channels", options.channels, "a whole number");
    set(table, "input_dropout", options.input_dropout, "a number");
    set(table, "output_dropout", options.output_dropout, "a number");
    set(table, "kernel_learning_rate_scale", options.kernel_learning_rate_scale, "a number");
    const toml::node* list = table.get("mixer");
    if (list == nullptr || list->as_array() == nullptr || list->as_array()->empty()) {
      refuse(list != nullptr ? *list : table, "found no mixer, expected at least one table [[mixer]] with a kind");
    }
    at_node(table, [&] { BackboneOptions{.channels = options.channels, .mixers = {{"swiglu", {}}}}.validate(); });
    for (const toml::node& node : *list->as_array()) add_mixer(node, options);
    at_node(table, [&] { options.validate(); });
    return options;
  }

 private:
  [[noreturn]] void refuse(const toml::source_region& where, const std::string& message) const {
    throw DataError(fmt::format("'{}' line {}: {}", path_.string(), where.begin.line, message));
  }
  [[noreturn]] void refuse(const toml::node& node, const std::string& message) const { refuse(node.source(), message); }

  /// What cannot be made is an error of the file.
  template <class Work>
  void at_node(const toml::node& node, const Work& work) const {
    try {
      work();
    } catch (const UsageError& error) {
      refuse(node, error.message());
    }
  }

  void check_key(const std::string& name, const toml::key& key) const {
    if (std::find(kKeys.begin(), kKeys.end(), name) != kKeys.end()) return;
    const auto nearest = nearest_match(name, kKeys);
    refuse(key.source(),
           fmt::format("found the unknown key '{}'{}, expected some of {}", name,
                       nearest ? fmt::format("; did you mean '{}'?", *nearest) : "", fmt::join(kKeys, ", ")));
  }

  template <class Value>
  void set(const toml::table& table, std::string_view name, Value& value, std::string_view expected) const {
    const toml::node* node = table.get(name);
    if (node == nullptr) return;
    if (const std::optional<Value> found = node->value_exact<Value>()) {
      value = *found;
      return;
    }
    if constexpr (std::is_same_v<Value, double>) {
      if (const auto* whole = node->as_integer()) {
        value = static_cast<double>(whole->get());
        return;
      }
    }
    refuse(*node, fmt::format("'{}' is a {}, expected {}", name, type_of(*node), expected));
  }

  static std::string type_of(const toml::node& node) {
    std::ostringstream text;
    text << node.type();
    return text.str();
  }

  void add_mixer(const toml::node& node, BackboneOptions& options) const {
    const toml::table* table = node.as_table();
    if (table == nullptr) refuse(node, "found a mixer that is no table, expected [[mixer]] with a kind");
    MixerDescription mixer;
    std::int64_t repeat = 1;
    set(*table, "kind", mixer.kind, "the name of a mixer");
    set(*table, "repeat", repeat, "a whole number");
    if (mixer.kind.empty()) {
      refuse(node,
             fmt::format("found a mixer without a kind, expected kind = one of {}", fmt::join(mixer_kinds(), ", ")));
    }
    if (repeat < 1 || repeat > kMostRepeats) {
      refuse(*table->get("repeat"), fmt::format("'repeat' is {}, expected 1 to {}", repeat, kMostRepeats));
    }
    at_node(*table->get("kind"), [&] { mixer_defaults(mixer.kind); });
    for (const auto& [key, value] : *table) {
      const std::string name(key.str());
      if (name == "kind" || name == "repeat") continue;
      mixer.options[name] = option_of(value);
      at_node(value, [&] { complete({mixer.kind, {{name, mixer.options[name]}}}); });
    }
    at_node(node, [&] { try_to_make(mixer, options.channels); });
    options.mixers.insert(options.mixers.end(), static_cast<std::size_t>(repeat), mixer);
  }

  static void try_to_make(const MixerDescription& mixer, std::int64_t channels) {
    RandomStream stream(0, "initial parameters");
    at::Generator generator = make_generator(at::kCPU, stream);
    make_mixer(mixer, {.channels = channels, .volumes = 2}, generator);
  }

  MixerOption option_of(const toml::node& node) const {
    if (const auto* value = node.as_boolean()) return value->get();
    if (const auto* value = node.as_integer()) return value->get();
    if (const auto* value = node.as_floating_point()) return value->get();
    if (const auto* value = node.as_string()) return value->get();
    const toml::array* array = node.as_array();
    if (array == nullptr || !array->is_homogeneous<std::int64_t>()) {
      refuse(node, fmt::format("found a {} for an option, expected a number, a text, true, false or whole numbers in "
                               "brackets",
                               type_of(node)));
    }
    std::vector<std::int64_t> values;
    for (const toml::node& entry : *array) values.push_back(entry.as_integer()->get());
    return values;
  }

  std::filesystem::path path_;
};

void insert(toml::table& table, const std::string& name, const MixerOption& option) {
  const auto one = [&](const auto& value) {
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::vector<std::int64_t>>) {
      toml::array array;
      for (const std::int64_t entry : value) array.push_back(entry);
      table.insert(name, array);
    } else {
      table.insert(name, value);
    }
  };
  std::visit(one, option);
}

}  // namespace

BackboneOptions read_backbone(const std::filesystem::path& path) {
  toml::table table;
  try {
    table = toml::parse_file(path.string());
  } catch (const toml::parse_error& error) {
    throw FormatError(path, -1,
                      fmt::format("line {}: {}", error.source().begin.line, std::string(error.description())));
  }
  return BackboneReader(path).read(table);
}

std::string backbone_to_toml(const BackboneOptions& options) {
  toml::table table{{"channels", options.channels},
                    {"input_dropout", options.input_dropout},
                    {"output_dropout", options.output_dropout},
                    {"kernel_learning_rate_scale", options.kernel_learning_rate_scale}};
  toml::array mixers;
  for (const MixerDescription& mixer : options.mixers) {
    toml::table entry{{"kind", mixer.kind}};
    for (const auto& [name, value] : complete(mixer).options) insert(entry, name, value);
    mixers.push_back(entry);
  }
  table.insert("mixer", mixers);
  std::ostringstream text;
  text << table << "\n";
  return text.str();
}

}  // namespace noema
