// Labels from tables and file names.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "noema/core/error.h"
#include "noema/learn/labels.h"

namespace noema {
namespace {

constexpr const char* kSubjectColumn = "participant_id";

std::string without_prefix(const std::string& participant) {
  return participant.starts_with("sub-") ? participant.substr(4) : participant;
}

}  // namespace

std::map<std::string, std::string> read_label_map(const std::filesystem::path& path) {
  const Table table = read_table(path);
  const std::vector<std::string>& from = table.column("from");
  const std::vector<std::string>& to = table.column("to");
  std::map<std::string, std::string> map;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i].empty() || to[i].empty()) {
      throw DataError(
          fmt::format("label map '{}', line {}: found '{}' to '{}', expected two names (n/a as the second leaves "
                      "the events out)",
                      path.string(), i + 2, from[i], to[i]));
    }
    const auto [known, is_new] = map.emplace(from[i], to[i]);
    if (!is_new && known->second != to[i]) {
      throw DataError(fmt::format("label map '{}', line {}: '{}' is renamed to '{}', but to '{}' before", path.string(),
                                  i + 2, from[i], to[i], known->second));
    }
  }
  return map;
}

std::string run_level_label(const Run& run, const std::optional<Table>& participants, std::string_view source) {
  if (const auto entity = run.entities.find(std::string(source)); entity != run.entities.end()) return entity->second;
  const std::vector<std::string> columns = participants ? participants->names : std::vector<std::string>();
  if (source == kSubjectColumn || std::find(columns.begin(), columns.end(), source) == columns.end()) {
    std::vector<std::string> entities;
    for (const auto& [name, value] : run.entities) entities.push_back(name);
    throw UsageError(
        fmt::format("no label '{}' for the run '{}': its name has the entities {}, participants.tsv has the "
                    "columns {}",
                    source, run.id(), fmt::join(entities, ", "),
                    columns.empty() ? "(there is none)" : fmt::format("{}", fmt::join(columns, ", "))));
  }
  const std::vector<std::string>& subjects = participants->column(kSubjectColumn);
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (without_prefix(subjects[i]) != run.subject()) continue;
    const std::string& value = participants->column(source)[i];
    if (value.empty() || value == "n/a") {
      throw DataError(fmt::format("participants.tsv has no value of '{}' for the subject '{}'", source, run.subject()));
    }
    return value;
  }
  throw DataError(fmt::format("participants.tsv has no row for the subject '{}'", run.subject()));
}

}  // namespace noema
