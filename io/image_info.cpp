#include "noema/io/image_info.h"

#include <nlohmann/json.hpp>

namespace noema {
namespace {

nlohmann::json rows_of(const Eigen::Matrix4d& matrix) {
  auto rows = nlohmann::json::array();
  for (int row = 0; row < 4; ++row) {
    rows.push_back({matrix(row, 0), matrix(row, 1), matrix(row, 2), matrix(row, 3)});
  }
  return rows;
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

}  // namespace noema
