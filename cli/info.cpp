// noema info: what a file holds.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

#include "noema/cli/commands.h"
#include "noema/core/error.h"
#include "noema/io/cifti.h"
#include "noema/io/connectome_file.h"
#include "noema/io/image_info.h"
#include "noema/io/safetensors.h"
#include "noema/io/sample_store.h"
#include "noema/io/table.h"
#include "noema/learn/model_file.h"

namespace noema {
namespace {

using nlohmann::json;

std::string kind_name(FeatureKind kind) {
  return kind == FeatureKind::voxels ? "voxels" : kind == FeatureKind::parcels ? "parcels" : "maps";
}

json affine_json(const Grid& grid) {
  json rows = json::array();
  for (int i = 0; i < 4; ++i) {
    json row = json::array();
    for (int j = 0; j < 4; ++j) row.push_back(grid.ras_from_voxel(i, j));
    rows.push_back(row);
  }
  return rows;
}

json connectome_json(const std::filesystem::path& path) {
  const ConnectomeFile content = read_connectome_file(path);
  json regions = json::array(), kinds = json::array();
  for (const ConnectomeRegion& region : content.regions) regions.push_back(region.name);
  for (const ConnectomeMatrices& kind : content.kinds) kinds.push_back(kind.kind);
  return {{"file", "connectome"},
          {"kinds", kinds},
          {"runs", content.runs},
          {"subjects", content.subjects},
          {"regions", content.regions.size()},
          {"region_names", regions}};
}

json store_json(const std::filesystem::path& path) {
  const SampleStore store = SampleStore::open(path);
  const FeatureSpace& features = *store.features();
  json runs = json::array();
  for (const StoredRunInfo& run : store.runs()) {
    runs.push_back(
        {{"id", run.id}, {"shape", {run.volumes, run.features}}, {"tr_s", run.tr_s}, {"start_s", run.start_s}});
  }
  return {{"file", "sample store"},
          {"feature_kind", kind_name(features.kind)},
          {"features", features.count()},
          {"feature_names", features.names},
          {"space", features.space},
          {"shape", features.mask.grid.shape},
          {"affine", affine_json(features.mask.grid)},
          {"runs", runs}};
}

json tensors_json(const std::filesystem::path& path) {
  const SafeTensors content = read_safetensors(path);
  json tensors = json::object();
  for (const auto& [name, tensor] : content.tensors) tensors[name] = {{"type", tensor.dtype}, {"shape", tensor.shape}};
  return {{"file", "safetensors"}, {"tensors", tensors}, {"metadata", content.metadata}};
}

json table_json(const std::filesystem::path& path) {
  const Table table = read_table(path);
  return {{"file", "table"}, {"rows", table.rows()}, {"columns", table.names}};
}

json describe_file(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  if (name.ends_with(".h5") || name.ends_with(".hdf5")) {
    return is_connectome_file(path) ? connectome_json(path) : store_json(path);
  }
  if (name.ends_with(".safetensors")) {
    return read_safetensors_metadata(path).contains("noema_model") ? read_model_info(path) : tensors_json(path);
  }
  if (name.ends_with(".tsv") || name.ends_with(".csv")) return table_json(path);
  if (name.ends_with(".gii")) return to_json(read_gifti(path));
  for (const char* ending : {".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz"}) {
    if (!name.ends_with(ending)) continue;
    return is_cifti_file(path) ? to_json(read_cifti_header(path)) : to_json(image_info(path));
  }
  throw UsageError(fmt::format(
      "'{}': found an unknown ending, expected .nii, .nii.gz, .gii, .hdr, .img, .h5, .safetensors, .tsv or .csv",
      path.string()));
}

std::string shown(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.dump();
}

void print_for_people(const json& facts) {
  for (const auto& [key, value] : facts.items()) {
    const bool is_long = value.is_structured() && value.dump().size() > 100;
    if (!is_long) {
      fmt::print("{:<22}{}\n", key, shown(value));
      continue;
    }
    fmt::print("{}\n", key);
    for (const auto& [name, part] : value.items())
      fmt::print("  {:<20}{}\n", value.is_array() ? "" : name, shown(part));
  }
}

int run_info(const CommandArguments& arguments) {
  const std::filesystem::path path = arguments.path("file");
  const json facts = describe_file(path);
  if (arguments.flag("json")) {
    fmt::print("{}\n", facts.dump(1));
  } else {
    print_for_people(facts);
  }
  return 0;
}

}  // namespace

CommandSpec info_command() {
  CommandSpec spec;
  spec.name = "info";
  spec.synopsis = "What an image, a model, a sample store or a table holds";
  spec.description = {
      "Prints what a file says of itself: of an image its shape, affine (voxel to RAS millimetres, in the order of the "
      "file's own "
      "voxels), orientation on disk, number type, TR and units; of a model its labels, features and what it expects of "
      "a run; of a "
      "sample store its runs and features, of connectivity matrices their kinds, runs and regions; of a CIFTI or GIFTI "
      "file its kind or arrays, structures, TR, maps and "
      "labels; of a table its "
      "columns. Values of images are not read, those of GIFTI are."};
  spec.arguments = {input_path("file", "FILE", "The file")};
  spec.groups = {{"Options", {flag("json", "Print JSON, for scripts")}}};
  spec.examples = {{"noema info sub-01_task-rest_bold.nii.gz", "The header of a run."},
                   {"noema info model-ridge.safetensors --json", "What a model expects, for a script."}};
  spec.run = run_info;
  return spec;
}

}  // namespace noema
