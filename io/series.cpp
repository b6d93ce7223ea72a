#include "noema/io/series.h"

#include <fmt/format.h>

#include "noema/core/error.h"

namespace noema {

std::int64_t FeatureSpace::count() const {
  switch (kind) {
    case FeatureKind::voxels:
      return mask.size();
    case FeatureKind::parcels:
      return static_cast<std::int64_t>(names.size());
    case FeatureKind::maps:
      return map_weights.cols();
  }
  return 0;
}

Image to_image(const FeatureSpace& features, std::span<const float> values) {
  if (static_cast<std::int64_t>(values.size()) != features.count()) {
    throw ShapeError(fmt::format("{} values for {} features", values.size(), features.count()));
  }
  std::vector<float> of_voxel(static_cast<std::size_t>(features.mask.size()), 0.0F);
  switch (features.kind) {
    case FeatureKind::voxels:
      of_voxel.assign(values.begin(), values.end());
      break;
    case FeatureKind::parcels:
      for (std::size_t v = 0; v < of_voxel.size(); ++v) {
        const std::int32_t parcel = features.parcel_of_voxel[v];
        if (parcel >= 0) of_voxel[v] = values[static_cast<std::size_t>(parcel)];
      }
      break;
    case FeatureKind::maps:
      for (std::size_t v = 0; v < of_voxel.size(); ++v) {
        double sum = 0;
        for (std::size_t f = 0; f < values.size(); ++f) {
          sum += static_cast<double>(features.map_weights(static_cast<Eigen::Index>(v), static_cast<Eigen::Index>(f))) *
                 static_cast<double>(values[f]);
        }
        of_voxel[v] = static_cast<float>(sum);
      }
      break;
  }
  Image image = unmask(features.mask, of_voxel);
  image.header.space = features.space;
  return image;
}

}  // namespace noema
