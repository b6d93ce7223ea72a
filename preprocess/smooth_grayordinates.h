// preprocess/smooth_grayordinates: smoothing of grayordinates: cortex along its surface, deep structures among their
// own voxels.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "noema/io/brain_models.h"
#include "noema/preprocess/smooth.h"
#include "noema/preprocess/surface.h"

namespace noema {

/// Smooths lists of grayordinates in place: the vertices of each surface as SurfaceSmoother does, and the voxels of
/// each deep structure with a Gaussian whose weights are those of Smoother, only that voxels of other structures and of
/// none count for nothing and the rest sum to 1.
///
/// Values that are not finite stay as they are and count for nothing, as if they were of no structure. fwhm_mm = 0
/// changes nothing.
class GrayordinateSmoother {
 public:
  /// @param meshes  of each structure that is a surface; others are not looked at.
  /// @throws UsageError for a width that is negative or not finite, or a surface without a mesh; ShapeError for a mesh
  /// of another number of vertices
  GrayordinateSmoother(const BrainModels& models, double fwhm_mm, std::span<const SurfaceMesh> meshes);

  /// @throws ShapeError unless there is a value for each grayordinate
  void apply(std::span<float> values);

 private:
  /// A deep structure in a box that reaches as far beyond it as the Gaussian.
  struct Structure {
    Structure(const BrainModels& models, const BrainModel& model, double fwhm_mm);
    void apply(std::span<float> values);
    /// The sums of the Gaussian's weights at each voxel over those voxels whose `values` are finite.
    std::vector<float> weights_of_finite(std::span<const float> values);

    Grid box;
    Smoother smoother;
    /// Of each voxel: its place in the box, and the sum of weights where all are finite.
    std::vector<std::size_t> places;
    std::vector<float> weights;
    std::vector<float> volume;
  };
  struct Part {
    std::size_t first = 0, count = 0;
    std::vector<SurfaceSmoother> surface;  // one of the two
    std::vector<Structure> voxels;
  };

  std::size_t count_ = 0;
  std::vector<Part> parts_;
};

/// Of the shapes (in float32) and names of meshes, in whatever order.
std::string surfaces_fingerprint(std::span<const SurfaceMesh> meshes);

}  // namespace noema
