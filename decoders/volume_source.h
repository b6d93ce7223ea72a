// decoders/volume_source: batches of windows for training, gathered from the runs' series when they are needed.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "noema/core/random.h"
#include "noema/learn/feature_transform.h"
#include "noema/learn/sample_set.h"

namespace noema {

struct Batch {
  at::Tensor windows;  // (B, T, S) float32
  at::Tensor weights;  // (B, T) float32
  at::Tensor labels;   // (B) int64
};

/// Training items of a sample set: its samples, or each volume of them.
///
/// With a feature transform its outputs for all volumes are kept (they are few); without one nothing is, and each batch
/// copies from the series of the runs.
class VolumeSource {
 public:
  VolumeSource(const SampleSet& set, const std::optional<FeatureTransform>& transform, bool single_volumes);

  std::int64_t size() const { return static_cast<std::int64_t>(items_.size()); }
  /// The items with these indices. With `crop`, of each a random stretch of at least `shortest` of its volumes.
  Batch batch(std::span<const std::int64_t> indices, double shortest, RandomStream* crop) const;

 private:
  // `places`: for each item and volume of the window the index of the item's volume, −1 where padded.
  at::Tensor gather_outputs(std::span<const std::int64_t> indices, std::span<const std::int64_t> places,
                            std::int64_t length) const;
  at::Tensor gather_series(std::span<const std::int64_t> indices, std::span<const std::int64_t> places,
                           std::int64_t length) const;

  std::shared_ptr<const std::vector<LearningRun>> runs_;
  std::vector<Sample> items_;
  std::vector<std::int64_t> first_row_;  // of each item in outputs_
  std::int64_t features_ = 0;
  at::Tensor outputs_;  // (M + 1, S), a row of zeros at the end; undefined without a transform
};

}  // namespace noema
