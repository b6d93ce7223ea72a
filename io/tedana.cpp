#include "noema/io/tedana.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <system_error>

#include "noema/core/error.h"
#include "noema/io/dataset.h"
#include "noema/io/table.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

/// Are the entities of the file, but for its desc, those of the image, or some of them?
bool belongs_to(const Entities& image, const fs::path& file) {
  const Entities entities = parse_bids_name(file).entities;
  return std::all_of(entities.begin(), entities.end(), [&](const auto& entity) {
    const auto found = image.find(entity.first);
    return entity.first == "desc" || (found != image.end() && found->second == entity.second);
  });
}

/// Of several the one with the longest name; empty if there is none.
fs::path find_beside(const fs::path& bold, const std::string& ending) {
  const Entities image = parse_bids_name(bold).entities;
  const fs::path folder = bold.has_parent_path() ? bold.parent_path() : fs::path(".");
  std::error_code failure;
  fs::path best;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, failure)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(ending) || !belongs_to(image, entry.path())) continue;
    if (name.size() > best.filename().string().size()) best = entry.path();
  }
  if (failure) throw IoError(folder, failure.message());
  return best;
}

/// "ICA_04" and "ICA_4" are the same.
std::string without_zeros(const std::string& component) {
  const std::size_t digits = component.find_last_not_of("0123456789") + 1;
  const std::size_t first = std::min(component.find_first_not_of('0', digits), component.size());
  if (digits == component.size()) return component;
  return component.substr(0, digits) + (first == component.size() ? "0" : component.substr(first));
}

std::map<std::string, std::string> classes_of(const fs::path& metrics) {
  const Table table = read_table(metrics);
  for (const char* name : {"Component", "classification"}) {
    if (!table.has(name)) throw FormatError(metrics, 0, fmt::format("there is no column '{}'", name));
  }
  std::map<std::string, std::string> classes;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    classes[without_zeros(table.column("Component")[row])] = table.column("classification")[row];
  }
  return classes;
}

}  // namespace

std::optional<TedanaFiles> tedana_files_beside(const fs::path& bold) {
  if (bold.filename().string().find("desc-optcom_bold") == std::string::npos) return {};
  TedanaFiles files{find_beside(bold, "desc-ICA_mixing.tsv"), find_beside(bold, "desc-tedana_metrics.tsv")};
  if (files.mixing.empty() || files.metrics.empty()) return {};
  return files;
}

ConfoundTable read_tedana(const TedanaFiles& files) {
  ConfoundTable table = read_confounds(files.mixing);
  std::map<std::string, std::string> classes = classes_of(files.metrics);
  for (std::string& name : table.names) {
    const auto found = classes.find(without_zeros(name));
    if (found == classes.end()) {
      throw DataError(fmt::format("'{}' does not say what the component '{}' of '{}' is; are they of the same run?",
                                  files.metrics.string(), name, files.mixing.string()));
    }
    name = found->second + "_" + name;
    classes.erase(found);
  }
  if (!classes.empty()) {
    throw DataError(fmt::format("'{}' lacks the component '{}' of '{}'; are they of the same run?",
                                files.mixing.string(), classes.begin()->first, files.metrics.string()));
  }
  return table;
}

}  // namespace noema
