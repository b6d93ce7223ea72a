// glm/tfce: threshold-free cluster enhancement.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "noema/glm/lattice.h"

namespace noema {

struct TfceOptions {
  double extent_power = 0.5;  ///< E
  double height_power = 2;    ///< H
  int steps = 100;            ///< heights between 0 and the largest (absolute) value
  bool two_sided = true;      ///< negative values are enhanced likewise, with their sign
  Connectivity connectivity = Connectivity::faces;

  /// @throws UsageError for powers that are not positive or steps outside [1, 30000].
  void validate() const;
};

/// Enhances maps of one mask; keeps its working memory between maps (one a thread). The two signs
/// are worked on by two threads.
///
/// Each value becomes Σ over heights h of extent(h)^E · h^H, where extent(h) is the number of voxels of its cluster of
/// values ≥ h, and 0 where it is below h: Smith and Nichols 2009 (doi:10.1016/j.neuroimage.2008.03.061) without the
/// step width, as in fslmaths and nilearn. Clusters at all heights come from one pass from the highest to the lowest in
/// which clusters only grow, so the cost is V plus a few steps for each voxel, whatever the number of heights.
class Tfce {
 public:
  /// @throws as `TfceOptions::validate`, `make_lattice`.
  explicit Tfce(const Mask& mask, const TfceOptions& options = {});

  /// (V) to (V). A map without values of the sign asked for becomes 0.
  /// @throws ShapeError unless there is a value for each voxel; DataError for values that are not finite.
  void enhance(std::span<const double> values, std::span<double> enhanced);

 private:
  /// What is known of the cluster of a root, or of a voxel in relation to its parent.
  struct Node {
    double sum = 0;  // root: of its voxels, over heights above `level`; else what to add to the parent's
    std::int32_t size = 0;
    std::int32_t level = 0;
  };
  /// The clusters of one sign, while they grow.
  struct Forest {
    std::vector<std::int32_t> parent;  // of each position; itself at roots, −1 where no voxel is (yet)
    std::vector<Node> nodes;
    std::vector<std::int32_t> order;        // voxels by falling level
    std::vector<std::int32_t> level_begin;  // where in `order` each level begins, the highest first

    std::int32_t root_of(std::int32_t position);
  };
  void set_heights(double largest);
  void find_levels(std::span<const double> values);
  void sort_by_level(Forest& forest, int sign) const;
  void bring_down(Node& root, std::int32_t level) const;
  std::int32_t join(Forest& forest, std::int32_t one, std::int32_t other, std::int32_t level) const;
  void grow_clusters(Forest& forest) const;
  void enhance_sign(Forest& forest, int sign, std::span<double> enhanced) const;

  TfceOptions options_;
  Lattice lattice_;
  std::vector<double> heights_;      // (steps + 1), from 0
  std::vector<double> powers_;       // (steps + 1), sums of h^H up to each height
  std::vector<std::int16_t> level_;  // (V), with the sign of the value
  std::vector<Forest> forests_;      // of positive values, and of negative ones
};

/// One map. @throws as `Tfce`.
std::vector<double> tfce(const Mask& mask, std::span<const double> values, const TfceOptions& options = {});

}  // namespace noema
