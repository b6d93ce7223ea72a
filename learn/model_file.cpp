#include "noema/learn/model_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "noema/core/error.h"
#include "noema/core/hash.h"
#include "noema/io/cifti.h"

namespace noema {
namespace {

using nlohmann::json;

constexpr const char* kVersion = "1";
constexpr const char* kVersionKey = "noema_model";
constexpr const char* kKindKey = "kind";
constexpr const char* kContractKey = "contract";
constexpr const char* kHashKey = "xxh3";
constexpr std::array kReserved{kVersionKey, kKindKey, kContractKey, kHashKey};
constexpr std::string_view kPrefix = "contract/";

constexpr std::array<std::pair<SampleUnit, std::string_view>, 4> kUnits{{{SampleUnit::volumes, "volumes"},
                                                                         {SampleUnit::blocks, "blocks"},
                                                                         {SampleUnit::trials, "trials"},
                                                                         {SampleUnit::runs, "runs"}}};

std::string_view unit_name(SampleUnit unit) {
  for (const auto& [value, name] : kUnits) {
    if (value == unit) return name;
  }
  return "";
}

std::string tensors_hash(const SafeTensors& content) {
  Hasher hasher;
  for (const auto& [name, tensor] : content.tensors) {
    hasher.add(fmt::format("{}\n{} [{}]\n", name, tensor.dtype, fmt::join(tensor.shape, ", "))).add(tensor.bytes);
  }
  return hasher.digest();
}

// --- writing

json to_json(const InputContract& contract) {
  const FeatureSpace& features = contract.features;
  const Grid& grid = features.mask.grid;
  json affine = json::array();
  for (int row = 0; row < 4; ++row) {
    const Eigen::RowVector4d numbers = grid.ras_from_voxel.row(row);
    affine.push_back(std::vector<double>(numbers.begin(), numbers.end()));
  }
  return {{"space", features.space},
          {"grid", {{"shape", grid.shape}, {"ras_from_voxel", affine}}},
          {"orientation", "RAS"},
          {"feature_kind", feature_kind_name(features.kind)},
          {"feature_count", features.count()},
          {"feature_names", features.names},
          {"atlas_hash", features.atlas_hash},
          {"tr_s", contract.tr_s},
          {"normalisation", contract.normalisation},
          {"preprocessing", contract.preprocessing},
          {"preprocessing_hash", contract.preprocessing_hash()},
          {"labels", contract.labels},
          {"unit", unit_name(contract.unit)},
          {"window_volumes", contract.window_volumes},
          {"delay_s", contract.delay_s},
          {"hrf_weighted", contract.hrf_weighted},
          {"discard_s", contract.discard_s},
          {"extend_s", contract.extend_s},
          {"windows", contract.windows == EventWindows::hcp ? "hcp" : "blocks"},
          {"provenance", json::parse(contract.provenance)},
          {"licence", contract.licence}};
}

void add_feature_tensors(const FeatureSpace& features, std::map<std::string, TensorData>& tensors) {
  const std::string prefix(kPrefix);
  tensors[prefix + "voxels"] = TensorData::from_ints({features.mask.size()}, features.mask.voxels);
  if (features.mask.grid.grayordinates != nullptr) {
    const std::string text = brain_models_text(*features.mask.grid.grayordinates);
    const auto bytes = std::as_bytes(std::span(text));
    tensors[prefix + "grayordinates"] = {"U8", {static_cast<std::int64_t>(text.size())}, {bytes.begin(), bytes.end()}};
  }
  if (features.kind == FeatureKind::parcels) {
    const auto bytes = std::as_bytes(std::span(features.parcel_of_voxel));
    tensors[prefix + "parcel_of_voxel"] = {"I32", {features.mask.size()}, {bytes.begin(), bytes.end()}};
  }
  if (features.kind == FeatureKind::maps) {
    const MatrixF& weights = features.map_weights;
    tensors[prefix + "map_weights"] = TensorData::from_floats(
        {weights.rows(), weights.cols()}, std::span(weights.data(), static_cast<std::size_t>(weights.size())));
  }
}

void check_names(const ModelFile& model) {
  if (model.kind.empty()) throw UsageError("a model file needs the kind of its classifier");
  for (const char* key : kReserved) {
    if (model.content.metadata.contains(key)) throw UsageError(fmt::format("the metadata key '{}' is reserved", key));
  }
  for (const auto& [name, tensor] : model.content.tensors) {
    if (name.starts_with(kPrefix)) throw UsageError(fmt::format("the tensor name '{}' is reserved", name));
  }
}

// --- reading

void check_version(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata) {
  const auto version = metadata.find(kVersionKey);
  if (version == metadata.end()) {
    throw FormatError(
        path, -1,
        fmt::format("is a safetensors file but no model of this toolkit: its metadata have no '{}'", kVersionKey));
  }
  if (version->second != kVersion) {
    throw FormatError(path, -1,
                      fmt::format("is a model file of version '{}', expected '{}'; use the release that wrote it",
                                  version->second, kVersion));
  }
  for (const char* key : kReserved) {
    if (!metadata.contains(key)) throw FormatError(path, -1, fmt::format("has no metadata '{}'", key));
  }
}

Grid grid_from(const json& object) {
  Grid grid;
  grid.shape = object.at("shape").get<std::array<std::int64_t, 3>>();
  const auto rows = object.at("ras_from_voxel").get<std::array<std::array<double, 4>, 4>>();
  for (int row = 0; row < 4; ++row) {
    for (int column = 0; column < 4; ++column) {
      grid.ras_from_voxel(row, column) = rows[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)];
    }
  }
  return grid;
}

SampleUnit unit_from(const std::string& name) {
  for (const auto& [unit, known] : kUnits) {
    if (name == known) return unit;
  }
  throw DataError(fmt::format("the unit '{}' is not known", name));
}

/// @throws nlohmann's exceptions for what is missing or of another type.
EventWindows windows_from(const std::string& name) {
  if (name == "hcp") return EventWindows::hcp;
  if (name == "blocks") return EventWindows::blocks;
  throw DataError(fmt::format("the windows '{}' are not known", name));
}

InputContract contract_from(const json& object) {
  InputContract contract;
  FeatureSpace& features = contract.features;
  features.space = object.at("space").get<std::string>();
  features.mask.grid = grid_from(object.at("grid"));
  const auto kind = parse_feature_kind(object.at("feature_kind").get<std::string>());
  if (!kind) throw DataError(fmt::format("the kind of features {} is not known", object.at("feature_kind").dump()));
  features.kind = *kind;
  features.names = object.at("feature_names").get<std::vector<std::string>>();
  features.atlas_hash = object.at("atlas_hash").get<std::string>();
  contract.tr_s = object.at("tr_s").get<double>();
  contract.normalisation = object.at("normalisation").get<std::string>();
  contract.preprocessing = object.at("preprocessing").get<std::string>();
  contract.labels = object.at("labels").get<std::vector<std::string>>();
  contract.unit = unit_from(object.at("unit").get<std::string>());
  contract.window_volumes = object.at("window_volumes").get<int>();
  contract.delay_s = object.at("delay_s").get<double>();
  contract.hrf_weighted = object.value("hrf_weighted", false);
  contract.discard_s = object.at("discard_s").get<double>();
  contract.extend_s = object.at("extend_s").get<double>();
  contract.windows = windows_from(object.value("windows", "blocks"));
  contract.provenance = object.at("provenance").dump();
  contract.licence = object.at("licence").get<std::string>();
  if (object.at("preprocessing_hash") != contract.preprocessing_hash()) {
    throw DataError("the preprocessing does not fit its fingerprint; it was changed by hand");
  }
  if (object.at("orientation") != "RAS") throw DataError("the orientation is not RAS");
  return contract;
}

void take_feature_tensors(const std::filesystem::path& path, SafeTensors& content, FeatureSpace& features) {
  const auto take = [&](const char* name) {
    const std::string key = std::string(kPrefix) + name;
    TensorData tensor = content.tensor(key);
    content.tensors.erase(key);
    return tensor;
  };
  if (content.tensors.contains(std::string(kPrefix) + "grayordinates")) {
    const TensorData text = take("grayordinates");
    const auto* letters = reinterpret_cast<const char*>(text.bytes.data());
    features.mask.grid = grid_of(parse_brain_models({letters, text.bytes.size()}, path));
  }
  features.mask.voxels = take("voxels").ints();
  if (features.kind == FeatureKind::parcels) {
    const TensorData parcels = take("parcel_of_voxel");
    if (parcels.dtype != "I32") throw DataError(fmt::format("parcels of dtype {}, expected I32", parcels.dtype));
    features.parcel_of_voxel.resize(parcels.bytes.size() / sizeof(std::int32_t));
    if (!parcels.bytes.empty()) {
      std::memcpy(features.parcel_of_voxel.data(), parcels.bytes.data(), parcels.bytes.size());
    }
  }
  if (features.kind == FeatureKind::maps) {
    const TensorData weights = take("map_weights");
    if (weights.shape.size() != 2) throw ShapeError("map weights are no matrix");
    features.map_weights = Eigen::Map<const MatrixF>(weights.floats().data(), weights.shape[0], weights.shape[1]);
  }
  check_features(features);
}

/// What is wrong inside a file that was read is an error of its format.
template <class Work>
auto as_format_error(const std::filesystem::path& path, Work&& work) {
  try {
    return work();
  } catch (const json::exception& error) {
    throw FormatError(path, -1, fmt::format("the contract is incomplete or damaged: {}", error.what()));
  } catch (const DataError& error) {
    throw FormatError(path, -1, fmt::format("the contract is damaged: {}", error.what()));
  } catch (const ShapeError& error) {
    throw FormatError(path, -1, fmt::format("the contract is damaged: {}", error.what()));
  }
}

}  // namespace

std::string InputContract::preprocessing_hash() const { return hash_text(preprocessing); }

void write_model(const std::filesystem::path& path, const ModelFile& model) {
  check_names(model);
  check_features(model.contract.features);
  SafeTensors file = model.content;
  add_feature_tensors(model.contract.features, file.tensors);
  file.metadata[kVersionKey] = kVersion;
  file.metadata[kKindKey] = model.kind;
  file.metadata[kHashKey] = tensors_hash(file);
  try {
    file.metadata[kContractKey] = to_json(model.contract).dump();
  } catch (const json::exception& error) {
    throw DataError(fmt::format("the contract cannot be written as JSON: {}", error.what()));
  }
  write_safetensors(path, file);
}

ModelFile read_model(const std::filesystem::path& path) {
  ModelFile model;
  model.content = read_safetensors(path);
  check_version(path, model.content.metadata);
  if (tensors_hash(model.content) != model.content.metadata[kHashKey]) {
    throw FormatError(path, -1, "the arrays do not fit their fingerprint: the file is damaged");
  }
  model.kind = model.content.metadata[kKindKey];
  as_format_error(path, [&] {
    model.contract = contract_from(json::parse(model.content.metadata[kContractKey]));
    take_feature_tensors(path, model.content, model.contract.features);
  });
  for (const char* key : kReserved) model.content.metadata.erase(key);
  return model;
}

nlohmann::json read_model_info(const std::filesystem::path& path) {
  auto metadata = read_safetensors_metadata(path);
  check_version(path, metadata);
  return as_format_error(path, [&] {
    json info{{kVersionKey, metadata[kVersionKey]},
              {kKindKey, metadata[kKindKey]},
              {kContractKey, json::parse(metadata[kContractKey])}};
    contract_from(info[kContractKey]);  // tells what is missing
    for (const char* key : kReserved) metadata.erase(key);
    for (const auto& [key, text] : metadata) {
      const json value = json::parse(text, nullptr, false);
      info["metadata"][key] = value.is_discarded() ? json(text) : value;
    }
    return info;
  });
}

ContractCheck check_contract(const InputContract& contract, const ImageHeader& run, double tr_s, bool allow_resample) {
  const FeatureSpace& features = contract.features;
  ContractCheck check;
  std::vector<std::string> problems;
  if (!features.space.empty() && !run.space.empty() && features.space != run.space) {
    problems.push_back(fmt::format("found space {}, expected {}; choose runs in that space (--space {})", run.space,
                                   features.space, features.space));
  }
  if (!(tr_s > 0)) throw DataError(fmt::format("'{}': the TR is not known; say it in its sidecar", run.path.string()));
  if (!same_grid(features.mask.grid, run.grid)) {
    check.resample_grid = true;
    const std::string grids =
        fmt::format("found a grid of {}, expected {}", describe(run.grid), describe(features.mask.grid));
    if (allow_resample) {
      check.notes.push_back("resampled: " + grids);
    } else {
      problems.push_back(grids + "; let it be resampled with --allow-resample, or resample the run first");
    }
  }
  if (std::abs(tr_s - contract.tr_s) > 0.01 * contract.tr_s) {
    problems.push_back(
        fmt::format("found a TR of {:.6g} s, expected {:.6g} s; resample the run to that first", tr_s, contract.tr_s));
  }
  if (!problems.empty()) {
    throw DataError(fmt::format("'{}' does not fit the model: {}", run.path.string(), fmt::join(problems, ". Also: ")));
  }
  return check;
}

}  // namespace noema
