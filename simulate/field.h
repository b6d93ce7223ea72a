// simulate/field: Gaussian random fields, smooth in space, of exactly unit variance at every voxel.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace noema {

/// What a field is for: its numbers depend on this and nothing else.
struct FieldKey {
  std::uint64_t seed = 0;
  std::string_view purpose;
  std::array<std::uint64_t, 3> indices{0, 0, 0};
};

/// Draws fields on a box of voxels: white noise, smoothed by a Gaussian, divided by its known standard deviation (which
/// is smaller at the borders of the box, where part of the kernel finds nothing).
class FieldSource {
 public:
  /// @param sd_voxels  width of the Gaussian; 0: white noise. The kernel ends at 4 SD.
  FieldSource(const std::array<std::int64_t, 3>& shape, double sd_voxels);

  /// Fills `field` (x fastest). Parallel over planes; the same for any number of threads.
  /// @throws ShapeError unless it has one value for each voxel.
  void draw(const FieldKey& key, std::span<float> field) const;

 private:
  void smooth_x(std::span<float> plane) const;
  void smooth_rows(int axis, std::span<const float> in, std::span<float> out) const;

  std::array<std::int64_t, 3> shape_;
  /// Weights of offsets −radius … radius.
  std::vector<float> kernel_;
  /// For each position along each axis what brings the smoothed values back to unit variance.
  std::array<std::vector<float>, 3> scale_;
};

}  // namespace noema
