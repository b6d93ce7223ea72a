#include "noema/pipelines/staged_output.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "noema/core/error.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

bool is_of_a_subject(const std::string& file) {
  return file.find("desc-series_bold") != std::string::npos || file.find("desc-mean_boldref") != std::string::npos;
}

bool is_within(const fs::path& relative) {
  const fs::path plain = relative.lexically_normal();
  return !plain.empty() && plain.is_relative() && *plain.begin() != "..";
}

/// What results.json says the command wrote before.
std::vector<std::string> former_files(const fs::path& output, const std::string& command) {
  std::ifstream file(output / "results.json");
  if (!file) return {};
  const nlohmann::json found = nlohmann::json::parse(file, nullptr, false);
  if (!found.is_object() || found.value("command", nlohmann::json()) != command) return {};
  std::vector<std::string> files;
  for (const nlohmann::json& name : found.value("files", nlohmann::json::array())) {
    if (name.is_string()) files.push_back(name);
  }
  return files;
}

void remove_former(const fs::path& output, const Results& results) {
  const std::set<std::string> written(results.files.begin(), results.files.end());
  for (const std::string& file : former_files(output, results.command)) {
    if (written.contains(file) || is_of_a_subject(file) || !is_within(file)) continue;
    std::error_code error;
    fs::remove(output / file, error);
    if (error) throw IoError(output / file, fmt::format("cannot be removed: {}", error.message()));
  }
}

}  // namespace

StagedOutput::StagedOutput(fs::path output) : output_(std::move(output)), stage_(output_ / "results", true) {}

void StagedOutput::commit(const Results& results) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder())) {
    if (!entry.is_directory()) files.push_back(entry.path());
  }
  remove_former(output_, results);
  for (const fs::path& file : files) {
    const fs::path place = output_ / file.lexically_relative(folder());
    make_folder(place.parent_path());
    std::error_code error;
    fs::rename(file, place, error);
    if (error) throw IoError(place, fmt::format("cannot be put in its place: {}", error.message()));
  }
}

}  // namespace noema
