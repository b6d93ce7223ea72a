#include "noema/io/bids_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "noema/core/command.h"
#include "noema/core/error.h"
#include "noema/io/bids_tree.h"
#include "noema/io/text_file.h"

namespace noema {
namespace {

using nlohmann::json;

/// Long and short names of the entities of functional files.
const std::map<std::string, std::string> kShortNames{
    {"subject", "sub"},    {"session", "ses"},        {"task", "task"},       {"acquisition", "acq"},
    {"ceagent", "ce"},     {"reconstruction", "rec"}, {"direction", "dir"},   {"run", "run"},
    {"echo", "echo"},      {"part", "part"},          {"space", "space"},     {"cohort", "cohort"},
    {"resolution", "res"}, {"density", "den"},        {"description", "desc"}};

std::string short_name(const std::filesystem::path& path, const std::string& key) {
  std::vector<std::string> names;
  for (const auto& [full, brief] : kShortNames) {
    if (key == full || key == brief) return brief;
    names.insert(names.end(), {full, brief});
  }
  const std::optional<std::string> nearest = nearest_match(key, names);
  throw FormatError(path, -1,
                    fmt::format("\"bold\" has the unknown entity '{}'{}", key,
                                nearest ? fmt::format("; did you mean '{}'?", *nearest) : ""));
}

std::string label_of(const std::filesystem::path& path, const std::string& key, const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return fmt::format("{}", value.get<std::int64_t>());
  throw FormatError(path, -1,
                    fmt::format("\"bold\", entity '{}': found {}, expected a label, a list of labels, "
                                "\"*\" or null",
                                key, value.dump()));
}

}  // namespace

BidsFilter::Condition BidsFilter::condition_of(const std::filesystem::path& path, const std::string& key,
                                               const json& value) {
  Condition condition;
  for (const json& item : value.is_array() ? value : json::array({value})) {
    if (item.is_null()) {
      condition.absent = true;
    } else if (item == "*") {
      condition.any = true;
    } else {
      condition.labels.push_back(without_prefix(label_of(path, key, item), key));
    }
  }
  return condition;
}

BidsFilter::BidsFilter(const std::filesystem::path& path) {
  const json filters = read_json_object(path);
  if (!filters.contains("bold") || !filters["bold"].is_object()) {
    throw FormatError(path, -1, "expected an object \"bold\", such as {\"bold\": {\"session\": \"01\"}}");
  }
  for (const auto& [key, value] : filters["bold"].items()) {
    // What is looked for anyway: filter files of other tools repeat it.
    if ((key == "datatype" && value == "func") || (key == "suffix" && value == "bold")) continue;
    const std::string entity = short_name(path, key);
    conditions_[entity] = condition_of(path, entity, value);
  }
}

bool BidsFilter::accepts(const Entities& entities) const {
  return std::all_of(conditions_.begin(), conditions_.end(), [&](const auto& entry) {
    const auto& [key, condition] = entry;
    const auto found = entities.find(key);
    if (found == entities.end()) return condition.absent;
    return condition.any ||
           std::any_of(condition.labels.begin(), condition.labels.end(),
                       [&](const std::string& label) { return same_label(key, label, found->second); });
  });
}

}  // namespace noema
