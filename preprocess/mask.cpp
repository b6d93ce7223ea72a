#include "noema/preprocess/mask.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/preprocess/morphology.h"
#include "noema/preprocess/smooth.h"

namespace noema {
namespace {

std::vector<double> mean_over_time(const Image& image) {
  std::vector<double> mean(static_cast<std::size_t>(image.header.grid.voxel_count()));
  for (std::int64_t t = 0; t < image.header.volumes; ++t) {
    const std::span<const float> volume = image.volume(t);
    for (std::size_t v = 0; v < mean.size(); ++v) mean[v] += static_cast<double>(volume[v]);
  }
  for (double& value : mean) value /= static_cast<double>(image.header.volumes);
  return mean;
}

double largest_step(std::vector<double> values, double lower_cutoff, double upper_cutoff) {
  std::sort(values.begin(), values.end());
  const double n = static_cast<double>(values.size());
  const auto lower = static_cast<std::size_t>(std::floor(lower_cutoff * n));
  const std::size_t upper = std::min(static_cast<std::size_t>(std::floor(upper_cutoff * n)), values.size() - 1);
  if (upper <= lower) throw DataError(fmt::format("{} voxels are too few to find a brain mask", values.size()));
  std::size_t best = lower;
  for (std::size_t i = lower; i < upper; ++i) {
    if (values[i + 1] - values[i] > values[best + 1] - values[best]) best = i;
  }
  return 0.5 * (values[best] + values[best + 1]);
}

Mask to_mask(const VoxelSet& set, const Grid& grid) {
  Mask mask{grid, {}};
  for (std::size_t v = 0; v < set.in.size(); ++v) {
    if (set.in[v]) mask.voxels.push_back(static_cast<std::int64_t>(v));
  }
  return mask;
}

/// Opening and the largest component.
Mask tidied(VoxelSet set, const Image& image, bool connected, int opening) {
  const Grid& grid = image.header.grid;
  const Axes axes = thick_axes(grid);
  erode(set, opening, axes);
  if (connected) keep_largest_component(set);
  dilate(set, 2 * opening, axes);
  erode(set, opening, axes);
  Mask mask = to_mask(set, grid);
  if (mask.voxels.empty()) {
    throw DataError(
        fmt::format("no brain found in '{}' ({}); give a mask", image.header.path.string(), describe(grid)));
  }
  return mask;
}

/// The values of six slabs at the faces; what belongs to several of them counts as often.
std::vector<double> border_values(const std::vector<double>& values, const Grid& grid, int depth) {
  std::vector<double> border;
  for (std::int64_t v = 0; v < grid.voxel_count(); ++v) {
    const std::array<std::int64_t, 3> at = grid.voxel_at(v);
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const int slabs = static_cast<int>(at[axis] < depth) + static_cast<int>(at[axis] >= grid.shape[axis] - depth);
      border.insert(border.end(), static_cast<std::size_t>(slabs), values[static_cast<std::size_t>(v)]);
    }
  }
  return border;
}

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*std::max_element(values.begin(), middle) + *middle) / 2;
}

}  // namespace

Mask compute_epi_mask(const Image& image, const EpiMaskOptions& options) {
  if (!(options.lower_cutoff >= 0 && options.lower_cutoff < options.upper_cutoff && options.upper_cutoff <= 1)) {
    throw UsageError(fmt::format("brain mask: found cut-offs {} and {}, expected 0 ≤ lower < upper ≤ 1",
                                 options.lower_cutoff, options.upper_cutoff));
  }
  const Grid& grid = image.header.grid;
  std::vector<double> mean = mean_over_time(image);
  for (double& value : mean) {
    if (!std::isfinite(value)) value = 0;
  }
  if (options.opening > 0) {
    Grid unit = grid;
    unit.ras_from_voxel.setIdentity();
    Smoother(unit, 1.0).apply(mean);
  }
  std::vector<double> judged = mean;
  if (options.exclude_zeros) std::erase(judged, 0.0);
  const double threshold = largest_step(std::move(judged), options.lower_cutoff, options.upper_cutoff);
  VoxelSet set{grid.shape, std::vector<std::uint8_t>(mean.size())};
  for (std::size_t v = 0; v < mean.size(); ++v) set.in[v] = mean[v] >= threshold;
  return tidied(std::move(set), image, options.connected, options.opening);
}

Mask compute_background_mask(const Image& image, const BackgroundMaskOptions& options) {
  if (options.border_voxels < 1 || options.opening < 0) {
    throw UsageError(
        fmt::format("background mask: found a border of {} voxels and an opening of {}, expected at least "
                    "1 and 0",
                    options.border_voxels, options.opening));
  }
  const Grid& grid = image.header.grid;
  const std::vector<double> mean = mean_over_time(image);
  const std::vector<double> border = border_values(mean, grid, options.border_voxels);
  const bool not_numbers = std::any_of(border.begin(), border.end(), [](double value) { return std::isnan(value); });
  const double background = not_numbers ? 0 : median_of(border);
  VoxelSet set{grid.shape, std::vector<std::uint8_t>(mean.size())};
  for (std::size_t v = 0; v < mean.size(); ++v) set.in[v] = not_numbers ? !std::isnan(mean[v]) : mean[v] != background;
  return tidied(std::move(set), image, options.connected, options.opening);
}

Mask intersect_masks(std::span<const Mask> masks, double threshold, bool connected) {
  if (masks.empty()) throw UsageError("no masks to intersect");
  if (!(threshold >= 0 && threshold <= 1)) {
    throw UsageError(fmt::format("intersection of masks: found the share {}, expected 0 to 1", threshold));
  }
  const Grid& grid = masks[0].grid;
  std::vector<std::int32_t> count(static_cast<std::size_t>(grid.voxel_count()));
  for (const Mask& mask : masks) {
    if (!same_grid(mask.grid, grid)) {
      throw ShapeError(fmt::format("masks of different grids: {} and {}", describe(grid), describe(mask.grid)));
    }
    for (const std::int64_t v : mask.voxels) ++count[static_cast<std::size_t>(v)];
  }
  // Above the share, but all masks suffice for share 1.
  const double needed = std::min(threshold, 1 - 1e-7) * static_cast<double>(masks.size());
  VoxelSet set{grid.shape, std::vector<std::uint8_t>(count.size())};
  for (std::size_t v = 0; v < count.size(); ++v) set.in[v] = static_cast<double>(count[v]) > needed;
  if (connected) keep_largest_component(set);
  Mask mask = to_mask(set, grid);
  if (mask.voxels.empty()) {
    throw DataError(fmt::format("the {} masks have no voxel in common at share {}", masks.size(), threshold));
  }
  return mask;
}

}  // namespace noema
