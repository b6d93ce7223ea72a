// learn/searchlight: how well labels can be told from the voxels around each place of the brain.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "noema/io/series.h"
#include "noema/learn/splits.h"

namespace noema {

struct SearchlightOptions {
  /// Voxels whose centre is at most this far from the middle voxel's.
  double radius_mm = 6;
  /// C of the linear support vector machine (squared hinge, one against the rest).
  double strength = 1;
  /// z-score each voxel by the training samples of the fold.
  bool standardize = true;
  /// Score the mean over labels of the share of right ones, else the share of right ones.
  bool balanced = true;

  /// @throws UsageError
  void validate() const;
};

/// Index of each voxel of the mask within `radius_mm` of any voxel, found by offsets on the grid.
class SphereSearch {
 public:
  /// @throws UsageError for a radius that is negative or not finite.
  SphereSearch(const Mask& mask, double radius_mm);
  /// Ascending indices in the mask of the sphere around its `centre`-th voxel; never empty.
  std::vector<std::int32_t> around(std::int32_t centre) const;

 private:
  struct Step {
    std::array<std::int64_t, 3> by;
    std::int64_t linear;
  };
  const Mask& mask_;
  std::vector<std::int32_t> index_of_;  // of each voxel of the grid, or −1
  std::vector<Step> steps_;             // by rising linear index
};

/// For each centre the score of a support vector machine on the voxels of its sphere, mean over the folds.
///
/// With `balanced` and `standardize` off the accuracy of nilearn's SearchLight with its default estimator on the same
/// folds. Results do not depend on the thread count.
/// Memory: a copy of the samples. Cost: for each centre, fold and label a few times N·P²/2 multiplications for spheres
/// of P voxels (fewer than N; else N³/6).
/// @param samples  (N, V), a row for each sample, a column for each voxel of the mask.
/// @param folds    indices of samples.
/// @param centres  indices in the mask.
/// @throws ShapeError; UsageError; DataError for samples that are not finite, without folds, or if a fold does not
/// train
///   on two labels at least; NumericalError; Cancelled
std::vector<float> searchlight(const MatrixF& samples, std::span<const int> labels, std::span<const FoldSamples> folds,
                               const Mask& mask, std::span<const std::int32_t> centres,
                               const SearchlightOptions& options = {});

}  // namespace noema
