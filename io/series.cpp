#include "noema/io/series.h"

#include <fmt/format.h>

#include "noema/core/error.h"

namespace noema {
namespace {

constexpr FeatureKind kKinds[] = {FeatureKind::voxels, FeatureKind::parcels, FeatureKind::maps};

void check_voxels(const Mask& mask) {
  std::int64_t last = -1;
  for (const std::int64_t voxel : mask.voxels) {
    if (voxel <= last || voxel >= mask.grid.voxel_count()) {
      throw ShapeError(fmt::format("voxel {} after {} in a grid of {} voxels; expected ascending voxels of the grid",
                                   voxel, last, mask.grid.voxel_count()));
    }
    last = voxel;
  }
}

void check_parcels(const FeatureSpace& features) {
  const auto voxels = static_cast<std::size_t>(features.mask.size());
  if (features.parcel_of_voxel.size() != voxels) {
    throw ShapeError(fmt::format("{} parcels of voxels for a mask of {}", features.parcel_of_voxel.size(), voxels));
  }
  for (const std::int32_t parcel : features.parcel_of_voxel) {
    if (parcel < -1 || parcel >= features.count()) {
      throw ShapeError(fmt::format("a voxel of parcel {}, expected -1 to {}", parcel, features.count() - 1));
    }
  }
}

void check_maps(const FeatureSpace& features) {
  const auto names = static_cast<Eigen::Index>(features.names.size());
  if (features.map_weights.rows() != features.mask.size() || features.map_weights.cols() != names) {
    throw ShapeError(fmt::format("{} × {} map weights for a mask of {} voxels and {} names",
                                 features.map_weights.rows(), features.map_weights.cols(), features.mask.size(),
                                 names));
  }
}

}  // namespace

std::string_view feature_kind_name(FeatureKind kind) {
  switch (kind) {
    case FeatureKind::voxels:
      return "voxels";
    case FeatureKind::parcels:
      return "parcels";
    case FeatureKind::maps:
      return "maps";
  }
  return "";
}

std::optional<FeatureKind> parse_feature_kind(std::string_view name) {
  for (const FeatureKind kind : kKinds) {
    if (name == feature_kind_name(kind)) return kind;
  }
  return std::nullopt;
}

void check_features(const FeatureSpace& features) {
  check_voxels(features.mask);
  if (features.kind == FeatureKind::parcels) check_parcels(features);
  if (features.kind == FeatureKind::maps) check_maps(features);
}

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
