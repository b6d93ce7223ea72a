// learn/classifier: what every model of the toolkit can do: be fitted on samples, and say how likely each label is.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "noema/io/safetensors.h"
#include "noema/learn/sample_set.h"

namespace noema {

/// What a model says of N samples, one row each.
struct ClassScores {
  MatrixD decisions;      // (N, K), larger is likelier, any scale
  MatrixD probabilities;  // (N, K), rows of unit sum; (0, 0) when the model gives none
};

/// A model: everything from the features of a series to labels, with whatever it fits on the way (screening, scaling,
/// whitening, its strength), all of it on the training samples alone.
class Classifier {
 public:
  virtual ~Classifier() = default;

  /// Fits from scratch. @throws DataError if a class has no training sample; Cancelled
  virtual void fit(const SampleSet& train) = 0;
  /// @throws UsageError before `fit`; ShapeError for another number of features.
  virtual ClassScores predict(const SampleSet& samples) const = 0;

  /// "ridge", "long-conv" …: the name in tables, and the kind by which a model file is opened.
  virtual std::string kind() const = 0;
  /// Weights and settings, enough to predict; the settings are one JSON object under the metadata key "model".
  virtual SafeTensors save() const = 0;
};

/// A model whose decisions are a differentiable function of the features: it can be explained.
class DifferentiableClassifier : public Classifier {
 public:
  /// Decisions from windows of the series, screening, scaling and whitening included.
  ///
  /// @param windows (B, T, F) float32: volumes of the series' features, padded with zeros.
  /// @param weights (B, T) float32: 0 where padded, else the weight of the volume (unit sum over T).
  /// @return        (B, K) float32. Gradient: exact in `windows`. No dropout, no random draws.
  virtual at::Tensor logits(const at::Tensor& windows, const at::Tensor& weights) const = 0;
};

/// Makes a fresh model; `seed` is for those that draw random numbers.
using ClassifierFactory = std::function<std::unique_ptr<Classifier>(std::uint64_t seed)>;

/// The volumes of samples as padded windows.
struct Windows {
  at::Tensor values;   // (N, T, F) float32, T of the longest sample
  at::Tensor weights;  // (N, T) float32
};
Windows make_windows(const SampleSet& set);

}  // namespace noema
