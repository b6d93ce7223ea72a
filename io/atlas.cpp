#include "noema/io/atlas.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <set>
#include <span>

#include "noema/core/error.h"
#include "noema/core/hash.h"
#include "noema/io/cifti.h"

namespace noema {
namespace {

constexpr float kLargestId = 1 << 24;  // whole numbers up to here are exact in float32

std::string place_of(const Image& image, std::size_t value) {
  if (image.header.grid.grayordinates != nullptr) {
    return fmt::format("grayordinate {}", static_cast<std::int64_t>(value) % image.header.grid.voxel_count());
  }
  const auto [i, j, k] = image.header.grid.voxel_at(static_cast<std::int64_t>(value) % image.header.grid.voxel_count());
  return fmt::format("voxel ({}, {}, {})", i, j, k);
}

std::vector<std::int32_t> ids_of_labels(const Image& image) {
  std::set<std::int32_t> ids;
  std::int32_t former = 0;
  for (std::size_t v = 0; v < image.values.size(); ++v) {
    const float value = image.values[v];
    if (!(value >= 0 && value <= kLargestId && value == std::floor(value))) {
      throw DataError(
          fmt::format("{} has the value {:g}, expected whole numbers from 0 to 2^24; an atlas of one volume "
                      "holds the numbers of regions",
                      place_of(image, v), value));
    }
    const auto id = static_cast<std::int32_t>(value);
    if (id == 0 || id == former) continue;
    ids.insert(id);
    former = id;
  }
  if (ids.empty()) throw DataError("every voxel is 0, so there is no region; is it the right file?");
  return {ids.begin(), ids.end()};
}

std::vector<std::int32_t> ids_of_maps(const Image& image) {
  bool has_weight = false;
  for (std::size_t v = 0; v < image.values.size(); ++v) {
    if (!std::isfinite(image.values[v])) {
      throw DataError(
          fmt::format("{} of a map has the weight {}, expected a finite number", place_of(image, v), image.values[v]));
    }
    has_weight = has_weight || image.values[v] != 0;
  }
  if (!has_weight) throw DataError("every weight is 0, so there is no region; is it the right file?");
  std::vector<std::int32_t> ids(static_cast<std::size_t>(image.header.volumes));
  std::iota(ids.begin(), ids.end(), 1);
  return ids;
}

void check_names(const std::vector<std::string>& names, std::size_t regions) {
  if (names.size() != regions) {
    throw ShapeError(fmt::format("found {} names for {} regions", names.size(), regions));
  }
  std::set<std::string> known;
  for (const std::string& name : names) {
    if (name.empty()) throw DataError("a region has an empty name");
    if (!known.insert(name).second) throw DataError(fmt::format("two regions have the name '{}'", name));
  }
}

std::string hash_of(const Atlas& atlas) {
  static_assert(std::endian::native == std::endian::little, "hashes are of little-endian bytes");
  Hasher hasher;
  hasher.add(std::as_bytes(std::span(atlas.image.values)));
  const Grid& grid = atlas.image.header.grid;
  hasher.add(std::as_bytes(std::span(grid.shape)));
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 4; ++column) {
      hasher.add(fmt::format("{:.6f},", grid.ras_from_voxel(row, column) + 0.0));
    }
  }
  if (grid.grayordinates != nullptr) hasher.add(brain_models_text(*grid.grayordinates));
  for (const std::string& name : atlas.names) hasher.add(name).add("\n");
  return hasher.digest();
}

}  // namespace

Atlas make_atlas(Image image, std::vector<std::string> names) {
  const auto expected = static_cast<std::size_t>(image.header.grid.voxel_count() * image.header.volumes);
  if (image.values.size() != expected) {
    throw ShapeError(fmt::format("found {} values, expected {}", image.values.size(), expected));
  }
  Atlas atlas;
  atlas.kind = image.header.volumes == 1 ? FeatureKind::parcels : FeatureKind::maps;
  atlas.ids = atlas.kind == FeatureKind::parcels ? ids_of_labels(image) : ids_of_maps(image);
  if (names.empty()) {
    for (const std::int32_t id : atlas.ids) names.push_back(fmt::format("region_{}", id));
  }
  check_names(names, atlas.ids.size());
  atlas.names = std::move(names);
  atlas.image = std::move(image);
  atlas.hash = hash_of(atlas);
  return atlas;
}

}  // namespace noema
