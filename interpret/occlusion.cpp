// Which features are occluded together.
#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "noema/core/error.h"
#include "noema/interpret/attribution.h"

namespace noema {
namespace {

std::vector<std::vector<std::int64_t>> cubes_of(const Mask& mask, std::int64_t edge) {
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t>, std::vector<std::int64_t>> cubes;
  for (std::int64_t v = 0; v < mask.size(); ++v) {
    const auto [i, j, k] = mask.grid.voxel_at(mask.voxels[static_cast<std::size_t>(v)]);
    cubes[{k / edge, j / edge, i / edge}].push_back(v);
  }
  std::vector<std::vector<std::int64_t>> groups;
  groups.reserve(cubes.size());
  for (auto& [corner, members] : cubes) groups.push_back(std::move(members));
  return groups;
}

}  // namespace

std::vector<std::vector<std::int64_t>> occlusion_groups(const FeatureSpace& features, std::int64_t most) {
  if (most < 1) throw UsageError("found a limit of no occlusion group, expected at least 1");
  const std::int64_t count = features.count();
  if (count <= most || features.kind != FeatureKind::voxels) {
    std::vector<std::vector<std::int64_t>> groups(static_cast<std::size_t>(count));
    for (std::int64_t f = 0; f < count; ++f) groups[static_cast<std::size_t>(f)] = {f};
    return groups;
  }
  for (std::int64_t edge = 2;; ++edge) {
    std::vector<std::vector<std::int64_t>> groups = cubes_of(features.mask, edge);
    if (static_cast<std::int64_t>(groups.size()) <= most) return groups;
  }
}

}  // namespace noema
