#include "noema/pipelines/output_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <nlohmann/json.hpp>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/version.h"
#include "noema/io/atomic_file.h"
#include "noema/io/cifti_parcels.h"
#include "noema/io/nifti.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

std::string spelled(char sign) {
  switch (sign) {
    case '-':
      return " Minus ";
    case '+':
      return " Plus ";
    case '>':
      return " Gt ";
    case '<':
      return " Lt ";
    case '_':
      return " ";
    default:
      return std::string(1, sign);
  }
}

constexpr const char* kDatasetName = "Noema results";

void refuse_foreign_dataset(const fs::path& description) {
  std::ifstream file(description);
  if (!file) return;
  const nlohmann::json found = nlohmann::json::parse(file, nullptr, false);
  if (found.is_object() && found.value("Name", nlohmann::json()) == kDatasetName) return;
  throw UsageError(
      fmt::format("'{}' describes another dataset, which results must not be mixed with; give another OUT_DIR",
                  description.string()));
}

}  // namespace

void open_output_folder(const fs::path& folder, const std::string& command, const std::string& configuration) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw IoError(folder,
                  fmt::format("cannot make the output folder ({}); give another OUT_DIR or its parent's permission",
                              error.message()));
  if (!fs::is_directory(folder)) throw IoError(folder, "is a file, expected a folder for the results");
  refuse_foreign_dataset(folder / "dataset_description.json");
  int removed = remove_stale_temporaries(folder);
  for (const auto& entry : fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied)) {
    if (entry.is_directory()) removed += remove_stale_temporaries(entry.path());
  }
  if (removed > 0) {
    log_info(fmt::format("removed {} unfinished files of an interrupted run from '{}'", removed, folder.string()));
  }
  const nlohmann::json description{
      {"Name", kDatasetName},
      {"BIDSVersion", "1.9.0"},
      {"DatasetType", "derivative"},
      {"GeneratedBy", {{{"Name", "noema"}, {"Version", build_info().version}, {"Description", "noema " + command}}}}};
  write_file(folder / "dataset_description.json", description.dump(2) + "\n");
  write_file(folder / ("noema-" + command + ".toml"), configuration);
}

fs::path checkpoint_folder(const fs::path& output) { return output / "checkpoints"; }

void remove_checkpoints(const fs::path& output) {
  std::error_code error;
  fs::remove_all(checkpoint_folder(output), error);
  if (error) throw IoError(checkpoint_folder(output), fmt::format("cannot be removed: {}", error.message()));
}

std::string bids_label(const std::string& label) {
  std::string words;
  for (const char sign : label) words += spelled(sign);
  std::string result;
  bool start = false;
  for (const char letter : words) {
    if (letter == ' ') {
      start = !result.empty();
    } else if (std::isalnum(static_cast<unsigned char>(letter))) {
      result += start ? static_cast<char>(std::toupper(static_cast<unsigned char>(letter))) : letter;
      start = false;
    }
  }
  if (result.empty())
    throw DataError(
        fmt::format("the label '{}' has no letter or digit to name a file by; rename it with --labels", label));
  return result;
}

std::string bids_model_label(const std::string& name) {
  std::string words = name;
  std::replace(words.begin(), words.end(), '-', ' ');
  return bids_label(words);
}

std::string map_ending(const Grid& grid) { return grid.grayordinates != nullptr ? ".dscalar.nii" : ".nii.gz"; }

std::string subject_mean_file(const std::string& subject, const Grid& grid) {
  return fmt::format("sub-{0}/func/sub-{0}_desc-mean_boldref{1}", subject, map_ending(grid));
}

std::string write_map(const fs::path& folder, const std::string& name, const FeatureSpace& features,
                      const std::vector<float>& values, const ImageHeader& like, const std::string& description) {
  if (name.ends_with(".pscalar.nii")) {
    make_folder((folder / name).parent_path());
    write_cifti(folder / name, cifti_of_parcels(features, values, description));
    return name;
  }
  Image image = to_image(features, values);
  image.header.disk_orientation = like.disk_orientation;
  image.header.sform_code = like.sform_code;
  image.header.qform_code = like.qform_code;
  image.header.space = like.space;
  WriteOptions options;
  options.description = description.substr(0, 79);
  const fs::path path = folder / name;
  make_folder(path.parent_path());
  write_image(path, image, options);
  return name;
}

}  // namespace noema
