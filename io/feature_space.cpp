#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/atlas.h"
#include "noema/io/brain_models.h"

namespace noema {
namespace {

constexpr std::size_t kMostListed = 20;

/// Which regions have a voxel with a label, or a weight, in the mask.
std::vector<bool> regions_within(const Atlas& atlas, const Mask& mask, const std::vector<std::int32_t>& region_of_id) {
  std::vector<bool> within(atlas.ids.size(), false);
  if (atlas.kind == FeatureKind::parcels) {
    for (const std::int64_t voxel : mask.voxels) {
      const auto id = static_cast<std::size_t>(atlas.image.values[static_cast<std::size_t>(voxel)]);
      if (id > 0) within[static_cast<std::size_t>(region_of_id[id])] = true;
    }
    return within;
  }
  for (std::size_t region = 0; region < within.size(); ++region) {
    const std::span<const float> weights = atlas.image.volume(static_cast<std::int64_t>(region));
    within[region] = std::any_of(mask.voxels.begin(), mask.voxels.end(),
                                 [&](std::int64_t voxel) { return weights[static_cast<std::size_t>(voxel)] != 0; });
  }
  return within;
}

/// For each id up to the largest its place in `atlas.ids`, or −1.
std::vector<std::int32_t> places_of_ids(const Atlas& atlas) {
  std::vector<std::int32_t> region_of_id(static_cast<std::size_t>(atlas.ids.back()) + 1, -1);
  for (std::size_t region = 0; region < atlas.ids.size(); ++region) {
    region_of_id[static_cast<std::size_t>(atlas.ids[region])] = static_cast<std::int32_t>(region);
  }
  return region_of_id;
}

void warn_of_dropped(const Atlas& atlas, const std::vector<bool>& within) {
  std::vector<std::string> dropped;
  for (std::size_t region = 0; region < within.size(); ++region) {
    if (!within[region]) dropped.push_back(atlas.names[region]);
  }
  if (dropped.empty()) return;
  const std::size_t count = dropped.size();
  dropped.resize(std::min(count, kMostListed));
  log_warning(fmt::format("atlas '{}': {} of {} regions have no voxel in the mask and are dropped: {}{}",
                          atlas.image.header.path.string(), count, within.size(), fmt::join(dropped, ", "),
                          count > kMostListed ? " …" : ""));
}

/// The atlas's values at the grayordinates of a grid, 0 where the atlas has none.
Image at_grayordinates(const Image& image, const Grid& grid) {
  const std::vector<std::int64_t> places = places_in(*image.header.grid.grayordinates, *grid.grayordinates);
  Image moved{image.header, {}};
  moved.header.grid = moved.header.disk_grid = grid;
  moved.values.reserve(places.size() * static_cast<std::size_t>(image.header.volumes));
  for (std::int64_t volume = 0; volume < image.header.volumes; ++volume) {
    const std::span<const float> values = image.volume(volume);
    for (const std::int64_t place : places)
      moved.values.push_back(place < 0 ? 0.0F : values[static_cast<std::size_t>(place)]);
  }
  return moved;
}

}  // namespace

FeatureSpace make_feature_space(const Atlas& atlas, const Mask& mask) {
  const Grid& grid = atlas.image.header.grid;
  if (grid.grayordinates != nullptr && mask.grid.grayordinates != nullptr && !same_grid(grid, mask.grid)) {
    Atlas moved = atlas;
    moved.image = with_context(fmt::format("the atlas '{}' and the runs", atlas.image.header.path.string()),
                               [&] { return at_grayordinates(atlas.image, mask.grid); });
    return make_feature_space(moved, mask);
  }
  if (!same_grid(grid, mask.grid)) {
    throw ShapeError(fmt::format(
        "the atlas '{}' has {}, the mask {}; {}", atlas.image.header.path.string(), describe(grid), describe(mask.grid),
        mask.grid.grayordinates != nullptr ? "take a dlabel atlas for runs of grayordinates"
        : grid.grayordinates != nullptr    ? "take an atlas of volumes for runs of volumes"
                                        : "resample the atlas to the grid of the runs (nearest neighbour for labels)"));
  }
  const bool parcels = atlas.kind == FeatureKind::parcels;
  const std::vector<std::int32_t> region_of_id = places_of_ids(atlas);
  const std::vector<bool> within = regions_within(atlas, mask, region_of_id);
  FeatureSpace features;
  features.kind = atlas.kind;
  features.space = atlas.image.header.space;
  features.mask = mask;
  features.atlas_hash = atlas.hash;
  std::vector<std::int32_t> feature_of_region(within.size(), -1);
  for (std::size_t region = 0; region < within.size(); ++region) {
    if (!within[region]) continue;
    feature_of_region[region] = static_cast<std::int32_t>(features.names.size());
    features.names.push_back(atlas.names[region]);
  }
  if (features.names.empty()) {
    throw DataError(fmt::format("the atlas '{}' has no region within the mask; do both lie in the same space?",
                                atlas.image.header.path.string()));
  }
  warn_of_dropped(atlas, within);
  if (parcels) {
    features.parcel_of_voxel.reserve(mask.voxels.size());
    for (const std::int64_t voxel : mask.voxels) {
      const auto id = static_cast<std::size_t>(atlas.image.values[static_cast<std::size_t>(voxel)]);
      const std::int32_t feature = id == 0 ? -1 : feature_of_region[static_cast<std::size_t>(region_of_id[id])];
      features.parcel_of_voxel.push_back(feature);
    }
    return features;
  }
  features.map_weights.resize(mask.size(), static_cast<Eigen::Index>(features.names.size()));
  for (std::size_t region = 0; region < within.size(); ++region) {
    if (!within[region]) continue;
    const std::span<const float> weights = atlas.image.volume(static_cast<std::int64_t>(region));
    for (Eigen::Index v = 0; v < features.map_weights.rows(); ++v) {
      const std::int64_t voxel = mask.voxels[static_cast<std::size_t>(v)];
      features.map_weights(v, feature_of_region[region]) = weights[static_cast<std::size_t>(voxel)];
    }
  }
  return features;
}

}  // namespace noema
