#include "noema/pipelines/to_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/nifti.h"
#include "noema/preprocess/resample.h"

namespace noema {
namespace {

/// Does `image` have to be resampled? Says so in `notes`, or refuses.
bool must_resample(const Image& image, const char* what, Interpolation interpolation, const TargetGrid& target,
                   std::vector<std::string>& notes) {
  const Grid& grid = image.header.grid;
  if (same_grid(grid, target.grid)) return false;
  // Grayordinates are matched by structure and vertex, not by place.
  const bool from_surface = grid.grayordinates != nullptr, to_surface = target.grid.grayordinates != nullptr;
  if (from_surface && to_surface) return false;
  const std::string path = image.header.path.string();
  const char* how = interpolation == Interpolation::nearest ? "nearest neighbour" : "linearly";
  if (from_surface != to_surface) {
    throw ShapeError(
        fmt::format("the {} '{}' has {}, the run '{}' has {}; one cannot be resampled to the other, give one "
                    "of the run's kind",
                    what, path, describe(grid), target.run.string(), describe(target.grid)));
  }
  if (!target.allow_resample) {
    throw ShapeError(
        fmt::format("the {} '{}' has a grid of {}, the run '{}' has {}; give one on the run's grid, or let it be "
                    "resampled ({}) with --allow-resample",
                    what, path, describe(grid), target.run.string(), describe(target.grid), how));
  }
  notes.push_back(fmt::format("The {} '{}' was resampled ({}) from {} to {}.", what,
                              image.header.path.filename().string(), how, describe(grid), describe(target.grid)));
  return true;
}

Image resampled(const Image& image, Interpolation interpolation, const Grid& grid) {
  ResampleOptions options;
  options.interpolation = interpolation;
  return resample_image(image, grid, options);
}

}  // namespace

Mask mask_on_grid(const std::filesystem::path& path, const TargetGrid& target, std::vector<std::string>& notes) {
  Image image = read_image(path);
  mask_from_image(image);  // refuses an image that is no mask before it is resampled
  if (must_resample(image, "mask", Interpolation::nearest, target, notes)) {
    image = resampled(image, Interpolation::nearest, target.grid);
  }
  return mask_from_image(image);
}

Atlas atlas_on_grid(const std::filesystem::path& path, const std::filesystem::path& names, const TargetGrid& target,
                    std::vector<std::string>& notes) {
  Atlas atlas = read_atlas(path, names);
  const bool labels = atlas.kind == FeatureKind::parcels;
  const Interpolation interpolation = labels ? Interpolation::nearest : Interpolation::linear;
  if (!must_resample(atlas.image, "atlas", interpolation, target, notes)) return atlas;
  Image image = resampled(atlas.image, interpolation, target.grid);
  if (!labels) return make_atlas(std::move(image), atlas.names);
  const std::set<float> left(image.values.begin(), image.values.end());
  std::vector<std::string> kept;
  for (std::size_t region = 0; region < atlas.ids.size(); ++region) {
    if (left.contains(static_cast<float>(atlas.ids[region]))) kept.push_back(atlas.names[region]);
  }
  if (kept.size() < atlas.names.size()) {
    log_warning(
        fmt::format("atlas '{}': {} of {} regions lie beyond the runs' grid or are too small for it and are "
                    "left out",
                    path.string(), atlas.names.size() - kept.size(), atlas.names.size()));
  }
  return make_atlas(std::move(image), kept);
}

}  // namespace noema
