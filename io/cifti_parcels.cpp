#include "noema/io/cifti_parcels.h"

#include <fmt/format.h>

#include <algorithm>

#include "noema/core/error.h"
#include "noema/core/hash.h"

namespace noema {

Mask all_grayordinates(const CiftiHeader& header) {
  Mask mask{grid_of(header.brain_models), {}};
  for (std::int64_t g = 0; g < header.brain_models->count(); ++g) mask.voxels.push_back(g);
  return mask;
}

std::vector<CiftiParcel> cifti_parcels(const FeatureSpace& features) {
  std::vector<CiftiParcel> parcels;
  for (const std::string& name : features.names) parcels.push_back({name, {}});
  for (std::size_t v = 0; v < features.parcel_of_voxel.size(); ++v) {
    const std::int32_t parcel = features.parcel_of_voxel[v];
    if (parcel >= 0) parcels[static_cast<std::size_t>(parcel)].grayordinates.push_back(features.mask.voxels[v]);
  }
  return parcels;
}

FeatureSpace parcel_features(const CiftiHeader& header) {
  if (!header.has_parcels()) {
    throw ShapeError(fmt::format("'{}': found a {}, expected a file of parcels (ptseries, pscalar)",
                                 header.path.string(), cifti_kind_name(header.kind)));
  }
  FeatureSpace features;
  features.kind = FeatureKind::parcels;
  features.mask = all_grayordinates(header);
  features.parcel_of_voxel.assign(features.mask.voxels.size(), -1);
  for (std::size_t p = 0; p < header.parcels.size(); ++p) {
    features.names.push_back(header.parcels[p].name);
    for (const std::int64_t g : header.parcels[p].grayordinates) {
      features.parcel_of_voxel[static_cast<std::size_t>(g)] = static_cast<std::int32_t>(p);
    }
  }
  Hasher hasher;
  hasher.add(brain_models_text(*header.brain_models));
  hasher.add(std::as_bytes(std::span(features.parcel_of_voxel)));
  for (const std::string& name : features.names) hasher.add(name + "\n");
  features.atlas_hash = hasher.digest();
  return features;
}

bool are_whole_parcels(const FeatureSpace& features) {
  return features.mask.grid.grayordinates != nullptr && features.kind == FeatureKind::parcels &&
         features.mask.size() == features.mask.grid.grayordinates->count() &&
         std::count(features.parcel_of_voxel.begin(), features.parcel_of_voxel.end(), -1) == 0;
}

Cifti cifti_of_parcels(const FeatureSpace& features, std::span<const float> values, const std::string& name) {
  if (!are_whole_parcels(features) || static_cast<std::int64_t>(values.size()) != features.count()) {
    throw ShapeError(
        fmt::format("{} values of {} features are to be a pscalar, expected one for each of parcels that "
                    "hold all grayordinates",
                    values.size(), features.count()));
  }
  Cifti cifti;
  cifti.header.kind = CiftiKind::pscalar;
  cifti.header.brain_models = features.mask.grid.grayordinates;
  cifti.header.points = 1;
  cifti.header.parcels = cifti_parcels(features);
  cifti.header.maps = {{name, {}}};
  cifti.values = Eigen::Map<const MatrixF>(values.data(), 1, static_cast<Eigen::Index>(values.size()));
  return cifti;
}

}  // namespace noema
