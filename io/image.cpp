#include "noema/io/image.h"

#include <fmt/format.h>

#include <cmath>

#include "noema/core/error.h"

namespace noema {

Mask mask_from_image(const Image& image) {
  if (image.header.volumes != 1) {
    throw ShapeError(
        fmt::format("'{}': found {} volumes, a mask has one", image.header.path.string(), image.header.volumes));
  }
  Mask mask{image.header.grid, {}};
  for (std::size_t i = 0; i < image.values.size(); ++i) {
    const float value = image.values[i];
    if (value != 0 && !std::isnan(value)) mask.voxels.push_back(static_cast<std::int64_t>(i));
  }
  if (mask.voxels.empty()) {
    throw DataError(fmt::format("'{}': every voxel is zero, so the mask is empty; is it the right file?",
                                image.header.path.string()));
  }
  return mask;
}

Image unmask(const Mask& mask, std::span<const float> values, float outside) {
  if (values.size() != mask.voxels.size()) {
    throw ShapeError(fmt::format("{} values for a mask of {} voxels", values.size(), mask.voxels.size()));
  }
  Image image;
  image.header.grid = mask.grid;
  image.header.disk_grid = mask.grid;
  image.values.assign(static_cast<std::size_t>(mask.grid.voxel_count()), outside);
  for (std::size_t v = 0; v < values.size(); ++v) image.values[static_cast<std::size_t>(mask.voxels[v])] = values[v];
  return image;
}

}  // namespace noema
