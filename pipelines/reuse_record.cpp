#include "noema/pipelines/reuse_record.h"

#include <nlohmann/json.hpp>

#include "noema/core/hash.h"
#include "noema/core/version.h"
#include "noema/io/cifti.h"

namespace noema {
namespace {

using nlohmann::json;

std::string hash_of(const FeatureSpace& features) {
  Hasher hasher;
  const Grid& grid = features.mask.grid;
  hasher.add(std::as_bytes(std::span(grid.shape)));
  hasher.add(std::as_bytes(std::span(grid.ras_from_voxel.data(), 16)));
  if (grid.grayordinates != nullptr) hasher.add(brain_models_text(*grid.grayordinates));
  hasher.add(std::as_bytes(std::span(features.mask.voxels)));
  hasher.add(std::as_bytes(std::span(features.parcel_of_voxel)));
  hasher.add(features.atlas_hash);
  return hasher.digest();
}

/// Which part of the kept record is another than the one wanted; empty if none.
std::string difference(const json& kept, const json& wanted) {
  if (kept.value("version", json()) != wanted["version"] ||
      kept.value("git_revision", json()) != wanted["git_revision"]) {
    return "it was made by another version";
  }
  if (kept.value("configuration", json()) != wanted["configuration"]) return "the preprocessing options changed";
  if (kept.value("features", json()) != wanted["features"]) return "the mask or the features changed";
  if (kept.value("runs", json()) != wanted["runs"]) return "the runs, their timing or their labels changed";
  if (kept.value("inputs", json()) != wanted["inputs"]) return "the input files changed";
  return "";
}

}  // namespace

std::string reuse_record(const ReuseFacts& facts) {
  json files = json::array();
  for (const InputRecord& input : facts.inputs) {
    files.push_back({{"path", input.path},
                     {"size_bytes", input.size_bytes},
                     {"modified_unix_s", input.modified_unix_s},
                     {"hash", input.hash}});
  }
  const json record{{"version", build_info().version},      {"git_revision", build_info().git_revision},
                    {"configuration", facts.configuration}, {"features", hash_of(*facts.features)},
                    {"runs", json::parse(facts.runs)},      {"inputs", files}};
  return record.dump();
}

std::string reason_against(const std::string& kept, const std::string& wanted) {
  try {
    return difference(json::parse(kept), json::parse(wanted));
  } catch (const json::exception&) {
    return "it does not say how it was made";
  }
}

}  // namespace noema
