#include "noema/io/image_info.h"

#include <nlohmann/json.hpp>
#include <string>

#include "noema/io/gifti_values.h"

namespace noema {
namespace {

nlohmann::json rows_of(const Eigen::Matrix4d& matrix) {
  auto rows = nlohmann::json::array();
  for (int row = 0; row < 4; ++row) {
    rows.push_back({matrix(row, 0), matrix(row, 1), matrix(row, 2), matrix(row, 3)});
  }
  return rows;
}

nlohmann::json structures_of(const BrainModels& models) {
  auto structures = nlohmann::json::array();
  for (const BrainModel& model : models.models) {
    nlohmann::json one{{"structure", model.structure},
                       {"kind", model.is_surface() ? "surface" : "voxels"},
                       {"grayordinates", model.count()}};
    if (model.is_surface()) one["surface_vertices"] = model.surface_vertices;
    structures.push_back(std::move(one));
  }
  return structures;
}

nlohmann::json names_of(const std::vector<CiftiLabel>& labels) {
  auto names = nlohmann::json::object();
  for (const CiftiLabel& label : labels) names[std::to_string(label.key)] = label.name;
  return names;
}

nlohmann::json maps_of(const CiftiHeader& header) {
  auto maps = nlohmann::json::array();
  for (const CiftiMap& map : header.maps) {
    nlohmann::json one{{"name", map.name}};
    if (header.kind == CiftiKind::dlabel) one["labels"] = names_of(map.labels);
    maps.push_back(std::move(one));
  }
  return maps;
}

}  // namespace

ImageInfo image_info(const std::filesystem::path& path) {
  const NiftiReader reader(path);
  return {reader.header(), reader.facts()};
}

nlohmann::json to_json(const ImageInfo& info) {
  const auto& [header, facts] = info;
  return {{"path", header.path.string()},
          {"shape", header.disk_grid.shape},
          {"volumes", header.volumes},
          {"voxel_size_mm", header.disk_grid.voxel_size_mm()},
          {"tr_s", header.tr_s},
          {"orientation", header.disk_orientation.letters()},
          {"affine", rows_of(header.disk_grid.ras_from_voxel)},
          {"affine_source", facts.affine_source},
          {"canonical_shape", header.grid.shape},
          {"canonical_affine", rows_of(header.grid.ras_from_voxel)},
          {"sform_code", facts.sform_code},
          {"qform_code", facts.qform_code},
          {"datatype", to_string(facts.type)},
          {"slope", facts.slope},
          {"intercept", facts.intercept},
          {"nifti_version", facts.version},
          {"byte_order", facts.big_endian ? "big" : "little"},
          {"gzip", facts.gzip},
          {"single_file", facts.single_file},
          {"data_offset", facts.data_offset},
          {"units", {{"space", facts.space_units}, {"time", facts.time_units}}},
          {"description", facts.description},
          {"extensions", facts.extensions},
          {"comment", facts.comment}};
}

nlohmann::json to_json(const CiftiHeader& header) {
  nlohmann::json facts{{"path", header.path.string()},
                       {"file", "CIFTI-2"},
                       {"kind", cifti_kind_name(header.kind)},
                       {"shape", {header.points, header.places()}},
                       {"structures", structures_of(*header.brain_models)},
                       {"datatype", to_string(header.storage.type)},
                       {"byte_order", header.storage.big_endian ? "big" : "little"},
                       {"data_offset", header.storage.data_offset},
                       {"comment", header.storage.comment}};
  if (header.brain_models->volume_shape[0] > 0) {
    facts["volume"] = {{"shape", header.brain_models->volume_shape},
                       {"affine", rows_of(header.brain_models->ras_from_voxel)}};
  }
  if (header.has_parcels()) {
    for (const CiftiParcel& parcel : header.parcels) facts["parcels"].push_back(parcel.name);
  }
  if (header.has_series()) {
    facts["tr_s"] = header.series.tr_s();
    facts["series"] = {{"start", header.series.start},
                       {"step", header.series.step},
                       {"exponent", header.series.exponent},
                       {"unit", header.series.unit}};
  } else {
    facts["maps"] = maps_of(header);
  }
  return facts;
}

nlohmann::json to_json(const Gifti& gifti) {
  auto arrays = nlohmann::json::array();
  for (const GiftiArray& array : gifti.arrays) {
    arrays.push_back({{"intent", gifti_intent_name(array.intent)},
                      {"type", array.type},
                      {"shape", array.shape},
                      {"metadata", array.metadata}});
  }
  return {{"path", gifti.path.string()},
          {"file", "GIFTI"},
          {"arrays", arrays},
          {"labels", names_of(gifti.labels)},
          {"metadata", gifti.metadata}};
}

}  // namespace noema
