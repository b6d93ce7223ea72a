// From a header to the XML of CIFTI-2.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "noema/io/cifti_xml.h"
#include "noema/io/label_xml.h"
#include "noema/io/xml.h"

namespace noema {
namespace {

/// "i j k" for each voxel, one a line.
std::string voxel_text(const std::vector<std::array<std::int32_t, 3>>& voxels) {
  std::string text;
  for (const auto& [i, j, k] : voxels) text += fmt::format("{} {} {}\n", i, j, k);
  return text;
}

pugi::xml_node add_map(pugi::xml_node matrix, const char* dimension, const char* type) {
  pugi::xml_node map = add_element(matrix, "MatrixIndicesMap");
  set_attribute(map, "AppliesToMatrixDimension", dimension);
  set_attribute(map, "IndicesMapToDataType", std::string("CIFTI_INDEX_TYPE_") + type);
  return map;
}

void add_series(pugi::xml_node matrix, const CiftiHeader& header) {
  pugi::xml_node map = add_map(matrix, "0", "SERIES");
  set_attribute(map, "NumberOfSeriesPoints", header.points);
  set_attribute(map, "SeriesExponent", std::int64_t{header.series.exponent});
  set_attribute(map, "SeriesStart", header.series.start);
  set_attribute(map, "SeriesStep", header.series.step);
  set_attribute(map, "SeriesUnit", header.series.unit);
}

void add_maps(pugi::xml_node matrix, const CiftiHeader& header) {
  const bool labels = header.kind == CiftiKind::dlabel;
  pugi::xml_node map = add_map(matrix, "0", labels ? "LABELS" : "SCALARS");
  for (const CiftiMap& one : header.maps) {
    pugi::xml_node named = add_element(map, "NamedMap");
    add_element(named, "MapName", one.name);
    if (labels) add_label_table(named, one.labels);
  }
}

void add_volume(pugi::xml_node map, const BrainModels& models) {
  if (models.volume_shape[0] == 0) return;
  pugi::xml_node volume = add_element(map, "Volume");
  set_attribute(volume, "VolumeDimensions", fmt::format("{}", fmt::join(models.volume_shape, ",")));
  std::string rows;
  for (int row = 0; row < 4; ++row) {
    const Eigen::RowVector4d numbers = models.ras_from_voxel.row(row);
    rows += fmt::format("{}\n", fmt::join(numbers.begin(), numbers.end(), " "));
  }
  set_attribute(add_element(volume, "TransformationMatrixVoxelIndicesIJKtoXYZ", rows), "MeterExponent",
                std::int64_t{-3});
}

void add_brain_models(pugi::xml_node matrix, const BrainModels& models) {
  pugi::xml_node map = add_map(matrix, "1", "BRAIN_MODELS");
  add_volume(map, models);
  std::int64_t offset = 0;
  for (const BrainModel& model : models.models) {
    pugi::xml_node node = add_element(map, "BrainModel");
    set_attribute(node, "IndexOffset", offset);
    set_attribute(node, "IndexCount", model.count());
    set_attribute(node, "ModelType", model.is_surface() ? "CIFTI_MODEL_TYPE_SURFACE" : "CIFTI_MODEL_TYPE_VOXELS");
    set_attribute(node, "BrainStructure", model.structure);
    if (model.is_surface()) {
      set_attribute(node, "SurfaceNumberOfVertices", model.surface_vertices);
      add_element(node, "VertexIndices", fmt::format("{}", fmt::join(model.vertices, " ")));
    } else {
      add_element(node, "VoxelIndicesIJK", voxel_text(model.voxels));
    }
    offset += model.count();
  }
}

/// The places of a parcel that lie in the model that begins at `first`.
std::vector<std::size_t> within(const CiftiParcel& parcel, std::int64_t first, const BrainModel& model) {
  std::vector<std::size_t> places;
  for (const std::int64_t place : parcel.grayordinates) {
    if (place >= first && place < first + model.count()) places.push_back(static_cast<std::size_t>(place - first));
  }
  return places;
}

void add_parcel(pugi::xml_node map, const CiftiParcel& parcel, const BrainModels& models) {
  pugi::xml_node node = add_element(map, "Parcel");
  set_attribute(node, "Name", parcel.name);
  std::vector<std::array<std::int32_t, 3>> voxels;
  std::int64_t first = 0;
  for (const BrainModel& model : models.models) {
    const std::vector<std::size_t> places = within(parcel, first, model);
    first += model.count();
    if (places.empty()) continue;
    if (!model.is_surface()) {
      for (const std::size_t place : places) voxels.push_back(model.voxels[place]);
      continue;
    }
    std::vector<std::int32_t> vertices;
    for (const std::size_t place : places) vertices.push_back(model.vertices[place]);
    set_attribute(add_element(node, "Vertices", fmt::format("{}", fmt::join(vertices, " "))), "BrainStructure",
                  model.structure);
  }
  if (!voxels.empty()) add_element(node, "VoxelIndicesIJK", voxel_text(voxels));
}

void add_parcels(pugi::xml_node matrix, const CiftiHeader& header) {
  pugi::xml_node map = add_map(matrix, "1", "PARCELS");
  add_volume(map, *header.brain_models);
  for (const BrainModel& model : header.brain_models->models) {
    if (!model.is_surface()) continue;
    pugi::xml_node surface = add_element(map, "Surface");
    set_attribute(surface, "BrainStructure", model.structure);
    set_attribute(surface, "SurfaceNumberOfVertices", model.surface_vertices);
  }
  for (const CiftiParcel& parcel : header.parcels) add_parcel(map, parcel, *header.brain_models);
}

}  // namespace

std::string format_cifti_xml(const CiftiHeader& header) {
  pugi::xml_document document;
  pugi::xml_node root = add_element(document, "CIFTI");
  set_attribute(root, "Version", "2");
  pugi::xml_node matrix = add_element(root, "Matrix");
  if (header.has_series()) {
    add_series(matrix, header);
  } else {
    add_maps(matrix, header);
  }
  if (header.has_parcels()) {
    add_parcels(matrix, header);
  } else {
    add_brain_models(matrix, *header.brain_models);
  }
  return to_text(document, true);
}

}  // namespace noema
