// kernels/cuda/row_transform: how a GPU takes the transform of a row (kernels/cpu/transform.h) in stages.
#pragma once

#include <cstdint>
#include <vector>

namespace noema::cuda {

/// One butterfly, or a second one on each part of the first without leaving the registers.
struct RowStage {
  int first = 1;   ///< radix
  int second = 1;  ///< radix, or 1 for none
  int step = 1;    ///< values that meet are so far apart
  int step_log =
      0;  ///< its logarithm; of the first stage, where all groups are in one block, more than that of any place
  int blocks = 1;  ///< of values that meet, in all parts of a row
  /// Where the roots of each begin, in complex numbers: root p of block i of the first at p·blocks + i, and that of its
  /// part k of the second at (k·count + p)·blocks + i, so that threads side by side read numbers side by side.
  unsigned first_roots = 0;
  unsigned second_roots = 0;

  constexpr int radix() const { return first * second; }
};

constexpr int kMaxRowStages = 4;

/// Of the last stage, whose values stand side by side; so all others have steps of a multiple of it.
constexpr int kLastRadix = 16;

/// What kernels read. A row of `outer`·`size` complex values is taken apart by `outer_stage` into parts of `size`, each
/// of which a block of threads transforms in its own memory in `stages` stages. `outer` 1: the row is one part.
struct RowTransform {
  const float* roots = nullptr;
  int size = 0;
  int outer = 1;
  int stages = 0;
  RowStage stage[kMaxRowStages];
  RowStage outer_stage;
};

class RowTransformPlan {
 public:
  /// Of the shortest row with room for so many real values; `fits` says whether there is one.
  explicit RowTransformPlan(std::int64_t real_values);
  static bool fits(std::int64_t real_values);

  /// M.
  std::int64_t length() const { return static_cast<std::int64_t>(transform_.size) * transform_.outer; }
  const std::vector<float>& roots() const { return roots_; }
  /// With the roots where the device has them.
  RowTransform transform(const float* roots_there) const;

 private:
  void place_roots(const std::vector<RowStage*>& stages);

  RowTransform transform_;
  std::vector<float> roots_;
};

}  // namespace noema::cuda
