// Samples as padded windows.
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>

#include "noema/core/error.h"
#include "noema/learn/classifier.h"

namespace noema {

Windows make_windows(const SampleSet& set) {
  const std::int64_t features = set.features();
  std::size_t longest = 0;
  for (const Sample& sample : set.samples) longest = std::max(longest, sample.volumes.size());
  const auto length = static_cast<std::int64_t>(longest);
  Windows windows{at::zeros({set.size(), length, features}, at::TensorOptions(at::kFloat)),
                  at::zeros({set.size(), length}, at::TensorOptions(at::kFloat))};
  float* values = windows.values.data_ptr<float>();
  float* weights = windows.weights.data_ptr<float>();
  for (std::int64_t n = 0; n < set.size(); ++n) {
    const Sample& sample = set.samples[static_cast<std::size_t>(n)];
    const MatrixF& series = set.runs->at(static_cast<std::size_t>(sample.run)).series.values;
    if (series.cols() != features || sample.weights.size() != sample.volumes.size()) {
      throw ShapeError(
          fmt::format("sample {} has {} features, {} volumes and {} weights, expected {} features and as "
                      "many weights as volumes",
                      n, series.cols(), sample.volumes.size(), sample.weights.size(), features));
    }
    std::copy(sample.weights.begin(), sample.weights.end(), weights + n * length);
    for (std::size_t i = 0; i < sample.volumes.size(); ++i) {
      const float* row = series.data() + static_cast<std::int64_t>(sample.volumes[i]) * features;
      std::copy(row, row + features, values + (n * length + static_cast<std::int64_t>(i)) * features);
    }
  }
  return windows;
}

}  // namespace noema
