// learn/rena: clusters of neighbouring voxels that go together, by recursive nearest-neighbour agglomeration.
#pragma once

#include <cstdint>
#include <vector>

#include "noema/io/series.h"

namespace noema {

struct RenaOptions {
  int clusters = 100;
  /// Rounds of merging at most; each leaves about half of the clusters or fewer.
  int rounds = 10;
};

struct VoxelClusters {
  std::vector<std::int32_t> of_voxel;  // (V), from 0 by first voxel (x slowest)
  int count = 0;
};

/// Hoyos-Idrobo et al. 2019 (doi:10.1109/TPAMI.2018.2815524), as nilearn's ReNA: in each round every cluster is joined
/// with that of its face neighbours whose mean over its parts is nearest (squared distance over the samples); a round
/// that would leave fewer than `clusters` joins only so many of the pairs, those whose numbers lie furthest apart
/// first.
///
/// Equal to nilearn's partition up to the order of clusters where no distances are equal (there the pairs of the last
/// round with equally distant numbers come in an order that depends on the machine). Deterministic.
/// Cost: samples × 3V a round at most. A mask in several parts leaves at least as many clusters.
/// @param samples  (N, V): a column for each voxel of the mask.
/// @throws ShapeError; UsageError for fewer than one cluster or round; DataError for samples that are not finite
VoxelClusters rena(const MatrixF& samples, const Mask& mask, const RenaOptions& options = {});

/// (N, V) to (N, count): means over clusters. @throws ShapeError
MatrixF cluster_means(const MatrixF& samples, const VoxelClusters& clusters);

}  // namespace noema
