// From the XML of CIFTI-2 to a header.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "noema/core/error.h"
#include "noema/io/cifti_xml.h"
#include "noema/io/label_xml.h"
#include "noema/io/xml.h"

namespace noema {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMostVertices = std::numeric_limits<std::int32_t>::max();
constexpr std::string_view kIndexType = "CIFTI_INDEX_TYPE_";

class Parser {
 public:
  Parser(std::string_view text, CiftiHeader& header)
      : xml_(header.path, "the XML of CIFTI", "CIFTI", text), header_(header) {}

  void parse() {
    const std::string version = xml_.text(xml_.root(), "Version");
    if (version != "2" && version != "2.0") {
      xml_.refuse(xml_.root(), fmt::format("found version {}, expected 2 (convert it with wb_command -file-convert "
                                           "-cifti-version-convert)",
                                           version));
    }
    const pugi::xml_node matrix = xml_.only(xml_.root(), "Matrix");
    const pugi::xml_node columns = map_of(matrix, "0");
    const pugi::xml_node rows = map_of(matrix, "1");
    const std::string along = type_of(columns), down = type_of(rows);
    header_.kind = kind_of(matrix, along, down);
    auto models = std::make_shared<BrainModels>();
    if (down == "BRAIN_MODELS") {
      parse_brain_models(rows, *models);
    } else {
      parse_parcels(rows, *models);
    }
    if (const std::string fault = fault_of(*models); !fault.empty()) xml_.refuse(rows, fault);
    header_.brain_models = std::move(models);
    if (header_.has_series()) {
      parse_series(columns);
    } else {
      parse_maps(columns);
    }
  }

 private:
  /// The map that applies to dimension "0" (along a row) or "1".
  pugi::xml_node map_of(pugi::xml_node matrix, std::string_view dimension) const {
    pugi::xml_node found;
    for (const pugi::xml_node map : matrix.children("MatrixIndicesMap")) {
      const std::string applies = xml_.text(map, "AppliesToMatrixDimension");
      const bool here = ("," + applies + ",").find(fmt::format(",{},", dimension)) != std::string::npos;
      if (applies != "0" && applies != "1" && applies != "0,1" && applies != "1,0") {
        xml_.refuse(
            map,
            fmt::format("found AppliesToMatrixDimension '{}', expected 0 or 1 (matrices of two dimensions)", applies));
      }
      if (here && found) xml_.refuse(map, fmt::format("a second map of dimension {}", dimension));
      if (here) found = map;
    }
    if (!found) xml_.refuse(matrix, fmt::format("found no map of dimension {}, expected one", dimension));
    return found;
  }

  std::string type_of(pugi::xml_node map) const {
    const std::string type = xml_.text(map, "IndicesMapToDataType");
    for (const char* known : {"BRAIN_MODELS", "PARCELS", "SERIES", "SCALARS", "LABELS"}) {
      if (type == std::string(kIndexType) + known) return known;
    }
    xml_.refuse(map,
                fmt::format("found IndicesMapToDataType '{}', expected {}BRAIN_MODELS, PARCELS, SERIES, SCALARS or "
                            "LABELS",
                            type, kIndexType));
  }

  CiftiKind kind_of(pugi::xml_node matrix, const std::string& along, const std::string& down) const {
    static const std::map<std::pair<std::string, std::string>, CiftiKind> kKinds{
        {{"BRAIN_MODELS", "SERIES"}, CiftiKind::dtseries}, {{"PARCELS", "SERIES"}, CiftiKind::ptseries},
        {{"BRAIN_MODELS", "SCALARS"}, CiftiKind::dscalar}, {{"PARCELS", "SCALARS"}, CiftiKind::pscalar},
        {{"BRAIN_MODELS", "LABELS"}, CiftiKind::dlabel},
    };
    const auto kind = kKinds.find({down, along});
    if (kind != kKinds.end()) return kind->second;
    xml_.refuse(matrix, fmt::format("found a matrix of {} × {}, expected grayordinates or parcels × series, scalars or "
                                    "labels (dtseries, ptseries, dscalar, pscalar, dlabel)",
                                    down, along));
  }

  void parse_volume(pugi::xml_node map, BrainModels& models) const {
    const pugi::xml_node volume = xml_.only(map, "Volume");
    models.volume_shape = xml_.lengths(volume, "VolumeDimensions");
    const pugi::xml_node matrix = xml_.only(volume, "TransformationMatrixVoxelIndicesIJKtoXYZ");
    const std::vector<double> values = xml_.numbers(matrix);
    if (values.size() != 16) xml_.refuse(matrix, fmt::format("found {} numbers, expected 16", values.size()));
    const auto exponent = xml_.integer(matrix, "MeterExponent", -12, 12);
    models.ras_from_voxel = Eigen::Map<const Eigen::Matrix<double, 4, 4, Eigen::RowMajor>>(values.data());
    models.ras_from_voxel.topRows<3>() *= std::pow(10.0, static_cast<double>(exponent) + 3);
  }

  std::vector<std::array<std::int32_t, 3>> voxels_of(pugi::xml_node node) const {
    const std::vector<std::int32_t> numbers = xml_.integers(node);
    if (numbers.size() % 3 != 0) {
      xml_.refuse(node, fmt::format("found {} numbers, expected three for each voxel", numbers.size()));
    }
    std::vector<std::array<std::int32_t, 3>> voxels(numbers.size() / 3);
    for (std::size_t v = 0; v < voxels.size(); ++v) {
      voxels[v] = {numbers[3 * v], numbers[3 * v + 1], numbers[3 * v + 2]};
    }
    return voxels;
  }

  BrainModel brain_model(pugi::xml_node node) const {
    BrainModel model;
    model.structure = xml_.text(node, "BrainStructure");
    const std::string type = xml_.text(node, "ModelType");
    if (type == "CIFTI_MODEL_TYPE_SURFACE") {
      model.surface_vertices = xml_.integer(node, "SurfaceNumberOfVertices", 1, kMostVertices);
      model.vertices = xml_.integers(xml_.only(node, "VertexIndices"));
    } else if (type == "CIFTI_MODEL_TYPE_VOXELS") {
      model.voxels = voxels_of(xml_.only(node, "VoxelIndicesIJK"));
    } else {
      xml_.refuse(
          node,
          fmt::format("found ModelType '{}', expected CIFTI_MODEL_TYPE_SURFACE or CIFTI_MODEL_TYPE_VOXELS", type));
    }
    const std::int64_t count = xml_.integer(node, "IndexCount", 1, kMost);
    if (count != model.count()) {
      xml_.refuse(node, fmt::format("{}: found {} places, expected as many as IndexCount says, {}", model.structure,
                                    model.count(), count));
    }
    return model;
  }

  /// In the order of their values, without gaps.
  void parse_brain_models(pugi::xml_node map, BrainModels& models) const {
    std::map<std::int64_t, pugi::xml_node> by_offset;
    for (const pugi::xml_node node : map.children("BrainModel")) {
      if (!by_offset.emplace(xml_.integer(node, "IndexOffset", 0, kMost), node).second) {
        xml_.refuse(node, "another brain model has the same IndexOffset");
      }
    }
    std::int64_t next = 0;
    bool has_voxels = false;
    for (const auto& [offset, node] : by_offset) {
      if (offset != next) {
        xml_.refuse(node,
                    fmt::format("found IndexOffset {}, expected {}: the brain models do not cover each value once",
                                offset, next));
      }
      models.models.push_back(brain_model(node));
      has_voxels = has_voxels || !models.models.back().is_surface();
      next += models.models.back().count();
    }
    if (has_voxels) parse_volume(map, models);
  }

  struct ParcelParts {
    std::string name;
    std::map<std::string, std::vector<std::int32_t>> vertices;
    std::vector<std::array<std::int32_t, 3>> voxels;
  };

  ParcelParts parcel_parts(pugi::xml_node node) const {
    ParcelParts parts;
    parts.name = xml_.text(node, "Name");
    for (const pugi::xml_node vertices : node.children("Vertices")) {
      const std::string structure = xml_.text(vertices, "BrainStructure");
      if (!parts.vertices.emplace(structure, xml_.integers(vertices)).second) {
        xml_.refuse(node, fmt::format("two lists of vertices of {}", structure));
      }
    }
    if (const pugi::xml_node voxels = node.child("VoxelIndicesIJK")) parts.voxels = voxels_of(voxels);
    return parts;
  }

  /// Moves the parcels' vertices of one surface into a brain model; its places are added to `taken`.
  BrainModel take_vertices(pugi::xml_node surface, std::vector<ParcelParts>& parcels, std::int64_t& next,
                           std::vector<CiftiParcel>& taken) const {
    BrainModel model;
    model.structure = xml_.text(surface, "BrainStructure");
    model.surface_vertices = xml_.integer(surface, "SurfaceNumberOfVertices", 1, kMostVertices);
    std::vector<std::pair<std::int32_t, std::size_t>> owned;
    for (std::size_t p = 0; p < parcels.size(); ++p) {
      const auto part = parcels[p].vertices.extract(model.structure);
      if (part.empty()) continue;
      for (const std::int32_t vertex : part.mapped()) owned.emplace_back(vertex, p);
    }
    std::sort(owned.begin(), owned.end());
    for (const auto& [vertex, parcel] : owned) {
      model.vertices.push_back(vertex);
      taken[parcel].grayordinates.push_back(next++);
    }
    return model;
  }

  /// Parcels do not say of which structures their voxels are.
  BrainModel take_voxels(const std::vector<ParcelParts>& parcels, std::int64_t& next,
                         std::vector<CiftiParcel>& taken) const {
    BrainModel model;
    model.structure = "CIFTI_STRUCTURE_OTHER";
    std::vector<std::pair<std::array<std::int32_t, 3>, std::size_t>> owned;
    for (std::size_t p = 0; p < parcels.size(); ++p) {
      for (const auto& voxel : parcels[p].voxels) owned.emplace_back(voxel, p);
    }
    std::sort(owned.begin(), owned.end());
    for (const auto& [voxel, parcel] : owned) {
      model.voxels.push_back(voxel);
      taken[parcel].grayordinates.push_back(next++);
    }
    return model;
  }

  /// All places of the parcels as brain models, and each parcel by its places.
  void parse_parcels(pugi::xml_node map, BrainModels& models) const {
    std::vector<ParcelParts> parcels;
    std::set<std::string> names;
    for (const pugi::xml_node node : map.children("Parcel")) {
      parcels.push_back(parcel_parts(node));
      header_.parcels.push_back({parcels.back().name, {}});
      if (!names.insert(parcels.back().name).second) {
        xml_.refuse(node, fmt::format("another parcel is named '{}', too", parcels.back().name));
      }
    }
    if (parcels.empty()) xml_.refuse(map, "found no parcel");
    std::int64_t next = 0;
    for (const pugi::xml_node surface : map.children("Surface")) {
      BrainModel model = take_vertices(surface, parcels, next, header_.parcels);
      if (!model.vertices.empty()) models.models.push_back(std::move(model));
    }
    for (const ParcelParts& parcel : parcels) {
      if (parcel.vertices.empty()) continue;
      xml_.refuse(map, fmt::format("parcel '{}' has vertices of {}, but there is no such Surface", parcel.name,
                                   parcel.vertices.begin()->first));
    }
    BrainModel voxels = take_voxels(parcels, next, header_.parcels);
    if (voxels.voxels.empty()) return;
    parse_volume(map, models);
    models.models.push_back(std::move(voxels));
  }

  void parse_series(pugi::xml_node map) const {
    header_.points = xml_.integer(map, "NumberOfSeriesPoints", 1, kMost);
    header_.series.start = xml_.number(map, "SeriesStart");
    header_.series.step = xml_.number(map, "SeriesStep");
    header_.series.exponent = static_cast<int>(xml_.integer(map, "SeriesExponent", -30, 30));
    header_.series.unit = xml_.text(map, "SeriesUnit");
    const std::string& unit = header_.series.unit;
    if (unit != "SECOND" && unit != "HERTZ" && unit != "METER" && unit != "RADIAN") {
      xml_.refuse(map, fmt::format("found SeriesUnit '{}', expected SECOND, HERTZ, METER or RADIAN", unit));
    }
    if (unit == "SECOND" && !(header_.series.step > 0)) {
      xml_.refuse(map, fmt::format("found SeriesStep {}, expected a positive number of seconds", header_.series.step));
    }
  }

  void parse_maps(pugi::xml_node map) const {
    for (const pugi::xml_node node : map.children("NamedMap")) {
      CiftiMap named;
      named.name = xml_.only(node, "MapName").child_value();
      if (header_.kind == CiftiKind::dlabel) named.labels = parse_labels(xml_, xml_.only(node, "LabelTable"));
      header_.maps.push_back(std::move(named));
    }
    if (header_.maps.empty()) xml_.refuse(map, "found no NamedMap, expected one for each map");
    header_.points = static_cast<std::int64_t>(header_.maps.size());
  }

  XmlText xml_;
  CiftiHeader& header_;
};

}  // namespace

void parse_cifti_xml(std::string_view text, CiftiHeader& header) { Parser(text, header).parse(); }

}  // namespace noema
