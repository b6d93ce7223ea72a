#include "noema/decoders/volume_source.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "noema/learn/tensors.h"

namespace noema {
namespace {

std::vector<Sample> items_of(const SampleSet& set, bool single_volumes) {
  if (!single_volumes) return set.samples;
  std::vector<Sample> items;
  for (const Sample& sample : set.samples) {
    for (const int volume : sample.volumes) items.push_back({sample.block, sample.run, sample.label, {volume}, {1.F}});
  }
  return items;
}

}  // namespace

VolumeSource::VolumeSource(const SampleSet& set, const std::optional<FeatureTransform>& transform, bool single_volumes)
    : runs_(set.runs), items_(items_of(set, single_volumes)), features_(set.features()) {
  if (!transform) return;
  std::int64_t row = 0;
  for (const Sample& item : items_) {
    first_row_.push_back(row);
    row += static_cast<std::int64_t>(item.volumes.size());
  }
  const at::Tensor outputs = tensor_of(transform->apply(sample_volumes(set)));
  outputs_ = at::cat({outputs, at::zeros({1, outputs.size(1)})}, 0);
}

Batch VolumeSource::batch(std::span<const std::int64_t> indices, double shortest, RandomStream* crop) const {
  struct Stretch {
    std::int64_t first, length;
  };
  std::vector<Stretch> stretches;
  std::int64_t longest = 1;
  for (const std::int64_t index : indices) {
    const auto volumes = static_cast<std::int64_t>(items_[static_cast<std::size_t>(index)].volumes.size());
    Stretch stretch{0, volumes};
    const auto least = static_cast<std::int64_t>(std::ceil(shortest * static_cast<double>(volumes) - 1e-9));
    if (crop && least < volumes) {
      stretch.length = least + static_cast<std::int64_t>(crop->below(static_cast<std::uint64_t>(volumes - least + 1)));
      stretch.first = static_cast<std::int64_t>(crop->below(static_cast<std::uint64_t>(volumes - stretch.length + 1)));
    }
    stretches.push_back(stretch);
    longest = std::max(longest, stretch.length);
  }

  const auto count = static_cast<std::int64_t>(indices.size());
  Batch batch{{}, at::zeros({count, longest}), at::empty({count}, at::TensorOptions(at::kLong))};
  auto* weights = batch.weights.data_ptr<float>();
  auto* labels = batch.labels.data_ptr<std::int64_t>();
  std::vector<std::int64_t> places(static_cast<std::size_t>(count * longest), -1);
  for (std::int64_t b = 0; b < count; ++b) {
    const Sample& item = items_[static_cast<std::size_t>(indices[static_cast<std::size_t>(b)])];
    const auto [first, length] = stretches[static_cast<std::size_t>(b)];
    const auto begin = item.weights.begin() + first;
    const float sum = std::accumulate(begin, begin + length, 0.F);
    std::transform(begin, begin + length, weights + b * longest, [sum](float weight) { return weight / sum; });
    labels[b] = item.label;
    std::iota(places.begin() + b * longest, places.begin() + b * longest + length, first);
  }
  batch.windows =
      outputs_.defined() ? gather_outputs(indices, places, longest) : gather_series(indices, places, longest);
  return batch;
}

at::Tensor VolumeSource::gather_outputs(std::span<const std::int64_t> indices, std::span<const std::int64_t> places,
                                        std::int64_t length) const {
  at::Tensor rows = at::empty({static_cast<std::int64_t>(places.size())}, at::TensorOptions(at::kLong));
  auto* row = rows.data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto item = static_cast<std::size_t>(indices[i / static_cast<std::size_t>(length)]);
    row[i] = places[i] < 0 ? outputs_.size(0) - 1 : first_row_[item] + places[i];
  }
  return outputs_.index_select(0, rows).view({-1, length, outputs_.size(1)});
}

at::Tensor VolumeSource::gather_series(std::span<const std::int64_t> indices, std::span<const std::int64_t> places,
                                       std::int64_t length) const {
  at::Tensor windows = at::zeros({static_cast<std::int64_t>(indices.size()), length, features_});
  auto* target = windows.data_ptr<float>();
  for (std::size_t i = 0; i < places.size(); ++i, target += features_) {
    if (places[i] < 0) continue;
    const Sample& item = items_[static_cast<std::size_t>(indices[i / static_cast<std::size_t>(length)])];
    const MatrixF& values = (*runs_)[static_cast<std::size_t>(item.run)].series.values;
    const int volume = item.volumes[static_cast<std::size_t>(places[i])];
    std::copy_n(values.data() + static_cast<std::int64_t>(volume) * features_, features_, target);
  }
  return windows;
}

}  // namespace noema
