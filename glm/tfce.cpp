#include "noema/glm/tfce.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/core/parallel.h"

namespace noema {

void TfceOptions::validate() const {
  if (extent_power > 0 && height_power > 0 && steps >= 1 && steps <= 30'000) return;
  throw UsageError(fmt::format("found powers {} and {} and {} steps for TFCE, expected positive powers and 1 to 30000",
                               extent_power, height_power, steps));
}

Tfce::Tfce(const Mask& mask, const TfceOptions& options)
    : options_(options), lattice_(make_lattice(mask, options.connectivity)) {
  options_.validate();
  level_.resize(lattice_.position.size());
  forests_.resize(options_.two_sided ? 2 : 1);
  for (Forest& forest : forests_) {
    forest.parent.assign(static_cast<std::size_t>(lattice_.positions), -1);
    forest.nodes.resize(forest.parent.size());
  }
}

void Tfce::set_heights(double largest) {
  const double step = largest / options_.steps;
  heights_.assign(1, 0);
  powers_.assign(1, 0);
  for (int i = 1; i <= options_.steps; ++i) {
    heights_.push_back(i == options_.steps ? largest : step * i);
    powers_.push_back(powers_.back() + std::pow(heights_.back(), options_.height_power));
  }
}

/// How many heights each value reaches, with its sign.
void Tfce::find_levels(std::span<const double> values) {
  const double per_height = options_.steps / heights_.back();
  for (std::size_t v = 0; v < values.size(); ++v) {
    const double height = std::abs(values[v]);
    auto level = std::min(options_.steps, static_cast<std::int32_t>(std::min(height * per_height, 1e6)));
    while (level < options_.steps && height >= heights_[static_cast<std::size_t>(level) + 1]) ++level;  // rounding
    while (height < heights_[static_cast<std::size_t>(level)]) --level;
    level_[v] = static_cast<std::int16_t>(values[v] < 0 ? -level : level);
  }
}

/// Counting sort of the voxels of one sign.
void Tfce::sort_by_level(Forest& forest, int sign) const {
  forest.level_begin.assign(static_cast<std::size_t>(options_.steps) + 2, 0);  // by rank = steps − level
  for (const std::int16_t level : level_) {
    if (sign * level > 0) ++forest.level_begin[static_cast<std::size_t>(options_.steps - sign * level) + 1];
  }
  for (std::size_t rank = 1; rank < forest.level_begin.size(); ++rank)
    forest.level_begin[rank] += forest.level_begin[rank - 1];
  forest.order.resize(static_cast<std::size_t>(forest.level_begin.back()));
  std::vector<std::int32_t> next = forest.level_begin;
  for (std::size_t v = 0; v < level_.size(); ++v) {
    const int level = sign * level_[v];
    if (level <= 0) continue;
    forest.order[static_cast<std::size_t>(next[static_cast<std::size_t>(options_.steps - level)]++)] =
        static_cast<std::int32_t>(v);
  }
}

/// Shortens the paths it walks: each second voxel on it is hung on its parent's parent.
std::int32_t Tfce::Forest::root_of(std::int32_t position) {
  while (true) {
    const std::int32_t up = parent[static_cast<std::size_t>(position)];
    const std::int32_t next = parent[static_cast<std::size_t>(up)];
    if (next == up) return up;
    nodes[static_cast<std::size_t>(position)].sum += nodes[static_cast<std::size_t>(up)].sum;
    parent[static_cast<std::size_t>(position)] = next;
    position = next;
  }
}

/// Adds what the heights of the levels above `level` give a cluster of this size.
void Tfce::bring_down(Node& root, std::int32_t level) const {
  if (root.level == level) return;
  const double extent = options_.extent_power == 0.5 ? std::sqrt(static_cast<double>(root.size))
                                                     : std::pow(root.size, options_.extent_power);
  root.sum += extent * (powers_[static_cast<std::size_t>(root.level)] - powers_[static_cast<std::size_t>(level)]);
  root.level = level;
}

/// The root of both clusters when they are one.
std::int32_t Tfce::join(Forest& forest, std::int32_t one, std::int32_t other, std::int32_t level) const {
  const bool is_larger =
      forest.nodes[static_cast<std::size_t>(one)].size >= forest.nodes[static_cast<std::size_t>(other)].size;
  const std::int32_t kept = is_larger ? one : other, added = is_larger ? other : one;
  Node& root = forest.nodes[static_cast<std::size_t>(kept)];
  Node& child = forest.nodes[static_cast<std::size_t>(added)];
  bring_down(root, level);
  bring_down(child, level);
  root.size += child.size;
  child.sum -= root.sum;
  forest.parent[static_cast<std::size_t>(added)] = kept;
  return kept;
}

void Tfce::grow_clusters(Forest& forest) const {
  for (std::int32_t level = options_.steps; level > 0; --level) {
    const auto rank = static_cast<std::size_t>(options_.steps - level);
    for (std::int32_t n = forest.level_begin[rank]; n < forest.level_begin[rank + 1]; ++n) {
      const std::int32_t position =
          lattice_.position[static_cast<std::size_t>(forest.order[static_cast<std::size_t>(n)])];
      forest.parent[static_cast<std::size_t>(position)] = position;
      forest.nodes[static_cast<std::size_t>(position)] = {0, 1, level};
      std::int32_t root = position;
      for (const std::int32_t offset : lattice_.offsets) {
        const std::int32_t parent = forest.parent[static_cast<std::size_t>(position + offset)];
        if (parent < 0 || parent == root) continue;
        const std::int32_t other = forest.root_of(position + offset);
        if (other != root) root = join(forest, root, other, level);
      }
    }
  }
}

void Tfce::enhance_sign(Forest& forest, int sign, std::span<double> enhanced) const {
  sort_by_level(forest, sign);
  grow_clusters(forest);
  for (std::size_t v = 0; v < level_.size(); ++v) {
    if (sign * level_[v] <= 0) continue;
    const std::int32_t position = lattice_.position[v];
    const std::int32_t root = forest.root_of(position);
    while (forest.parent[static_cast<std::size_t>(position)] != root) forest.root_of(position);
    bring_down(forest.nodes[static_cast<std::size_t>(root)], 0);
    const double above = position == root ? 0 : forest.nodes[static_cast<std::size_t>(position)].sum;
    enhanced[v] = sign * (forest.nodes[static_cast<std::size_t>(root)].sum + above);
  }
  std::fill(forest.parent.begin(), forest.parent.end(), -1);
}

void Tfce::enhance(std::span<const double> values, std::span<double> enhanced) {
  if (values.size() != lattice_.position.size() || enhanced.size() != values.size()) {
    throw ShapeError(fmt::format("found {} values and room for {}, expected the mask's {} voxels", values.size(),
                                 enhanced.size(), lattice_.position.size()));
  }
  double largest = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) throw DataError("a map to enhance holds values that are not finite");
    largest = std::max(largest, options_.two_sided ? std::abs(value) : value);
  }
  std::fill(enhanced.begin(), enhanced.end(), 0);
  if (largest == 0) return;
  set_heights(largest);
  find_levels(values);
  parallel_tasks(static_cast<std::int64_t>(forests_.size()), [&](std::int64_t task) {
    enhance_sign(forests_[static_cast<std::size_t>(task)], task == 0 ? 1 : -1, enhanced);
  });
}

std::vector<double> tfce(const Mask& mask, std::span<const double> values, const TfceOptions& options) {
  std::vector<double> enhanced(values.size());
  Tfce(mask, options).enhance(values, enhanced);
  return enhanced;
}

}  // namespace noema
