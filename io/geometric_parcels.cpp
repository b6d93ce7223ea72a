#include <fmt/format.h>

#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/core/random.h"
#include "noema/io/atlas.h"

namespace noema {
namespace {

constexpr int kRounds = 60;
constexpr std::int64_t kBlockEdge = 4;
/// How fast a parcel's weight follows the relative error of its size. A weight w moves the border between two parcels
/// of edge L by w/(2·L), six borders change the size by the fraction 3·w/L²; half of that is made up in a round, and
/// the mean squared distance to the centre is L²/4.
constexpr double kWeightStep = 2.0 / 3;

using Points = std::vector<Eigen::Vector3d>;

/// Voxels of one small cube of the grid.
struct Block {
  std::vector<std::int32_t> voxels;
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
  double radius_mm = 0;
};

struct Parcels {
  std::vector<std::int32_t> of_voxel;
  std::vector<std::int64_t> sizes;
  Points centres_mm;
  /// A voxel belongs to the parcel with the least squared distance minus weight (a power diagram).
  std::vector<double> weights_mm2;
};

Points positions_of(const Mask& mask) {
  Points positions_mm;
  positions_mm.reserve(mask.voxels.size());
  for (const std::int64_t voxel : mask.voxels) {
    const auto [i, j, k] = mask.grid.voxel_at(voxel);
    const Eigen::Vector4d at(static_cast<double>(i), static_cast<double>(j), static_cast<double>(k), 1);
    positions_mm.push_back((mask.grid.ras_from_voxel * at).head<3>());
  }
  return positions_mm;
}

std::vector<Block> blocks_of(const Mask& mask, const Points& positions_mm) {
  const auto blocks_along = [&](std::size_t axis) { return (mask.grid.shape[axis] + kBlockEdge - 1) / kBlockEdge; };
  std::vector<Block> blocks(static_cast<std::size_t>(blocks_along(0) * blocks_along(1) * blocks_along(2)));
  for (std::size_t v = 0; v < positions_mm.size(); ++v) {
    const auto [i, j, k] = mask.grid.voxel_at(mask.voxels[v]);
    const std::int64_t block = i / kBlockEdge + blocks_along(0) * (j / kBlockEdge + blocks_along(1) * (k / kBlockEdge));
    blocks[static_cast<std::size_t>(block)].voxels.push_back(static_cast<std::int32_t>(v));
  }
  std::erase_if(blocks, [](const Block& block) { return block.voxels.empty(); });
  for (Block& block : blocks) {
    for (const std::int32_t v : block.voxels) block.centre_mm += positions_mm[static_cast<std::size_t>(v)];
    block.centre_mm /= static_cast<double>(block.voxels.size());
    for (const std::int32_t v : block.voxels) {
      block.radius_mm = std::max(block.radius_mm, (positions_mm[static_cast<std::size_t>(v)] - block.centre_mm).norm());
    }
  }
  return blocks;
}

/// Voxels drawn with probabilities in proportion to the squared distance to those drawn before (k-means++, Arthur &
/// Vassilvitskii 2007).
Points draw_seeds(const Points& positions_mm, int count, std::uint64_t seed) {
  RandomStream random(seed, "geometric parcels");
  std::vector<double> distance_mm2(positions_mm.size(), std::numeric_limits<double>::infinity());
  Points seeds{positions_mm[random.below(positions_mm.size())]};
  while (static_cast<int>(seeds.size()) < count) {
    check_cancelled();
    double total = 0;
    for (std::size_t v = 0; v < positions_mm.size(); ++v) {
      distance_mm2[v] = std::min(distance_mm2[v], (positions_mm[v] - seeds.back()).squaredNorm());
      total += distance_mm2[v];
    }
    double remaining = random.uniform() * total;
    std::size_t drawn = 0;
    for (std::size_t v = 0; v < positions_mm.size(); ++v) {
      if (distance_mm2[v] <= 0) continue;  // a seed already
      drawn = v;
      remaining -= distance_mm2[v];
      if (remaining < 0) break;
    }
    seeds.push_back(positions_mm[drawn]);
  }
  return seeds;
}

/// The parcels that can be the nearest for some voxel of the block.
void find_candidates(const Block& block, const Parcels& parcels, std::vector<std::int32_t>& candidates) {
  double least_upper = std::numeric_limits<double>::infinity();
  std::vector<double> lower(parcels.centres_mm.size());
  for (std::size_t c = 0; c < lower.size(); ++c) {
    const double distance_mm = (parcels.centres_mm[c] - block.centre_mm).norm();
    const double nearest_mm = std::max(0.0, distance_mm - block.radius_mm);
    const double farthest_mm = distance_mm + block.radius_mm;
    lower[c] = nearest_mm * nearest_mm - parcels.weights_mm2[c];
    least_upper = std::min(least_upper, farthest_mm * farthest_mm - parcels.weights_mm2[c]);
  }
  const double slack = 1e-9 * (1 + std::abs(least_upper));  // for rounding
  candidates.clear();
  for (std::size_t c = 0; c < lower.size(); ++c) {
    if (lower[c] <= least_upper + slack) candidates.push_back(static_cast<std::int32_t>(c));
  }
}

void assign(const std::vector<Block>& blocks, const Points& positions_mm, Parcels& parcels) {
  parallel_for(static_cast<std::int64_t>(blocks.size()), 16, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int32_t> candidates;
    for (std::int64_t b = begin; b < end; ++b) {
      const Block& block = blocks[static_cast<std::size_t>(b)];
      find_candidates(block, parcels, candidates);
      for (const std::int32_t v : block.voxels) {
        double least = std::numeric_limits<double>::infinity();
        for (const std::int32_t candidate : candidates) {
          const auto c = static_cast<std::size_t>(candidate);
          const double power = (positions_mm[static_cast<std::size_t>(v)] - parcels.centres_mm[c]).squaredNorm() -
                               parcels.weights_mm2[c];
          if (power >= least) continue;
          least = power;
          parcels.of_voxel[static_cast<std::size_t>(v)] = candidate;
        }
      }
    }
  });
  std::fill(parcels.sizes.begin(), parcels.sizes.end(), 0);
  for (const std::int32_t c : parcels.of_voxel) ++parcels.sizes[static_cast<std::size_t>(c)];
}

/// Gives each parcel without voxels the outermost voxel of the largest parcel.
void fill_empty(const Points& positions_mm, Parcels& parcels) {
  for (std::size_t empty = 0; empty < parcels.sizes.size(); ++empty) {
    if (parcels.sizes[empty] > 0) continue;
    const auto donor =
        static_cast<std::size_t>(std::max_element(parcels.sizes.begin(), parcels.sizes.end()) - parcels.sizes.begin());
    std::size_t outermost = 0;
    double farthest_mm2 = -1;
    for (std::size_t v = 0; v < positions_mm.size(); ++v) {
      if (parcels.of_voxel[v] != static_cast<std::int32_t>(donor)) continue;
      const double distance_mm2 = (positions_mm[v] - parcels.centres_mm[donor]).squaredNorm();
      if (distance_mm2 <= farthest_mm2) continue;
      farthest_mm2 = distance_mm2;
      outermost = v;
    }
    parcels.of_voxel[outermost] = static_cast<std::int32_t>(empty);
    parcels.centres_mm[empty] = positions_mm[outermost];
    parcels.weights_mm2[empty] = parcels.weights_mm2[donor];
    --parcels.sizes[donor];
    ++parcels.sizes[empty];
  }
}

/// Centres go to the mean of their voxels, weights up where a parcel is too small. Sums run in the order of the voxels,
/// so they are the same for any number of threads.
void update(const Points& positions_mm, Parcels& parcels) {
  Points sums(parcels.sizes.size(), Eigen::Vector3d::Zero());
  for (std::size_t v = 0; v < positions_mm.size(); ++v) {
    sums[static_cast<std::size_t>(parcels.of_voxel[v])] += positions_mm[v];
  }
  for (std::size_t c = 0; c < sums.size(); ++c) {
    parcels.centres_mm[c] = sums[c] / static_cast<double>(parcels.sizes[c]);
  }
  double spread_mm2 = 0;
  for (std::size_t v = 0; v < positions_mm.size(); ++v) {
    spread_mm2 += (positions_mm[v] - parcels.centres_mm[static_cast<std::size_t>(parcels.of_voxel[v])]).squaredNorm();
  }
  spread_mm2 /= static_cast<double>(positions_mm.size());
  const double target = static_cast<double>(positions_mm.size()) / static_cast<double>(parcels.sizes.size());
  for (std::size_t c = 0; c < sums.size(); ++c) {
    const double missing = std::max(-1.0, 1 - static_cast<double>(parcels.sizes[c]) / target);
    parcels.weights_mm2[c] += kWeightStep * spread_mm2 * missing;
  }
}

/// For each voxel of the mask its neighbours through faces, as indices in the mask; −1 where there is none.
std::vector<std::array<std::int32_t, 6>> neighbours_of(const Mask& mask) {
  std::vector<std::int32_t> index(static_cast<std::size_t>(mask.grid.voxel_count()), -1);
  for (std::size_t v = 0; v < mask.voxels.size(); ++v) {
    index[static_cast<std::size_t>(mask.voxels[v])] = static_cast<std::int32_t>(v);
  }
  std::vector<std::array<std::int32_t, 6>> neighbours(mask.voxels.size());
  const std::array<std::int64_t, 3> step{1, mask.grid.shape[0], mask.grid.shape[0] * mask.grid.shape[1]};
  for (std::size_t v = 0; v < mask.voxels.size(); ++v) {
    const auto at = mask.grid.voxel_at(mask.voxels[v]);
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const auto below = static_cast<std::size_t>(mask.voxels[v] - step[axis]);
      const auto above = static_cast<std::size_t>(mask.voxels[v] + step[axis]);
      neighbours[v][2 * axis] = at[axis] > 0 ? index[below] : -1;
      neighbours[v][2 * axis + 1] = at[axis] + 1 < mask.grid.shape[axis] ? index[above] : -1;
    }
  }
  return neighbours;
}

using Neighbours = std::vector<std::array<std::int32_t, 6>>;

/// Keeps the largest connected piece of each parcel (of equal ones the first); the voxels of the others get −1.
void keep_largest_pieces(const Neighbours& neighbours, Parcels& parcels) {
  std::vector<std::int32_t> piece_of(neighbours.size(), -1);
  std::vector<std::vector<std::int32_t>> pieces;
  std::vector<std::int32_t> largest(parcels.sizes.size(), -1);
  for (std::size_t start = 0; start < neighbours.size(); ++start) {
    if (piece_of[start] >= 0) continue;
    const auto piece = static_cast<std::int32_t>(pieces.size());
    const std::int32_t parcel = parcels.of_voxel[start];
    std::vector<std::int32_t> members{static_cast<std::int32_t>(start)};
    piece_of[start] = piece;
    for (std::size_t next = 0; next < members.size(); ++next) {
      for (const std::int32_t n : neighbours[static_cast<std::size_t>(members[next])]) {
        if (n < 0 || piece_of[static_cast<std::size_t>(n)] >= 0) continue;
        if (parcels.of_voxel[static_cast<std::size_t>(n)] != parcel) continue;
        piece_of[static_cast<std::size_t>(n)] = piece;
        members.push_back(n);
      }
    }
    std::int32_t& best = largest[static_cast<std::size_t>(parcel)];
    pieces.push_back(std::move(members));
    if (best < 0 || pieces.back().size() > pieces[static_cast<std::size_t>(best)].size()) best = piece;
  }
  for (std::size_t v = 0; v < neighbours.size(); ++v) {
    if (largest[static_cast<std::size_t>(parcels.of_voxel[v])] != piece_of[v]) parcels.of_voxel[v] = -1;
  }
}

/// The nearest by squared distance minus weight among `choices`.
template <class Choices>
std::int32_t nearest_parcel(const Eigen::Vector3d& position_mm, const Parcels& parcels, const Choices& choices) {
  std::int32_t nearest = -1;
  double least = std::numeric_limits<double>::infinity();
  for (const std::int32_t c : choices) {
    if (c < 0) continue;
    const auto i = static_cast<std::size_t>(c);
    const double power = (position_mm - parcels.centres_mm[i]).squaredNorm() - parcels.weights_mm2[i];
    if (power > least || (power == least && c > nearest)) continue;
    least = power;
    nearest = c;
  }
  return nearest;
}

/// Voxels without a parcel join the nearest of their neighbours' parcels, layer by layer; islands the nearest of all.
void attach_loose(const Neighbours& neighbours, const Points& positions_mm, Parcels& parcels) {
  std::vector<std::int32_t> loose;
  for (std::size_t v = 0; v < neighbours.size(); ++v) {
    if (parcels.of_voxel[v] < 0) loose.push_back(static_cast<std::int32_t>(v));
  }
  while (!loose.empty()) {
    std::vector<std::pair<std::int32_t, std::int32_t>> layer;
    for (const std::int32_t v : loose) {
      std::array<std::int32_t, 6> choices;
      for (std::size_t n = 0; n < 6; ++n) {
        const std::int32_t neighbour = neighbours[static_cast<std::size_t>(v)][n];
        choices[n] = neighbour < 0 ? -1 : parcels.of_voxel[static_cast<std::size_t>(neighbour)];
      }
      const std::int32_t nearest = nearest_parcel(positions_mm[static_cast<std::size_t>(v)], parcels, choices);
      if (nearest >= 0) layer.emplace_back(v, nearest);
    }
    if (layer.empty()) break;
    for (const auto& [v, parcel] : layer) parcels.of_voxel[static_cast<std::size_t>(v)] = parcel;
    std::erase_if(loose, [&](std::int32_t v) { return parcels.of_voxel[static_cast<std::size_t>(v)] >= 0; });
  }
  std::vector<std::int32_t> all(parcels.sizes.size());
  std::iota(all.begin(), all.end(), 0);
  for (const std::int32_t v : loose) {
    parcels.of_voxel[static_cast<std::size_t>(v)] =
        nearest_parcel(positions_mm[static_cast<std::size_t>(v)], parcels, all);
  }
}

/// Ids 1 … count in the order of the parcels' first voxels.
std::vector<float> numbered(const Parcels& parcels) {
  std::vector<int> id(parcels.sizes.size(), 0);
  int next = 1;
  std::vector<float> ids;
  ids.reserve(parcels.of_voxel.size());
  for (const std::int32_t parcel : parcels.of_voxel) {
    int& own = id[static_cast<std::size_t>(parcel)];
    if (own == 0) own = next++;
    ids.push_back(static_cast<float>(own));
  }
  return ids;
}

}  // namespace

Atlas geometric_parcels(const Mask& mask, int count, std::uint64_t seed) {
  if (count < 1 || count > mask.size()) {
    throw UsageError(fmt::format("cannot divide a mask of {} voxels into {} parcels; choose 1 to {}", mask.size(),
                                 count, mask.size()));
  }
  const Points positions_mm = positions_of(mask);
  const std::vector<Block> blocks = blocks_of(mask, positions_mm);
  Parcels parcels;
  parcels.of_voxel.resize(positions_mm.size());
  parcels.sizes.resize(static_cast<std::size_t>(count));
  parcels.weights_mm2.assign(static_cast<std::size_t>(count), 0);
  parcels.centres_mm = draw_seeds(positions_mm, count, seed);
  for (int round = 0; round < kRounds; ++round) {
    check_cancelled();
    assign(blocks, positions_mm, parcels);
    fill_empty(positions_mm, parcels);
    if (round + 1 < kRounds) update(positions_mm, parcels);
  }
  const Neighbours neighbours = neighbours_of(mask);
  keep_largest_pieces(neighbours, parcels);
  attach_loose(neighbours, positions_mm, parcels);

  std::vector<std::string> names;
  for (int parcel = 1; parcel <= count; ++parcel) names.push_back(fmt::format("parcel-{:03}", parcel));
  return make_atlas(unmask(mask, numbered(parcels)), std::move(names));
}

}  // namespace noema
