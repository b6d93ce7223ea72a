// decoders/fine_tuning: networks that begin where a trained one ended.
#pragma once

#include <memory>
#include <optional>

#include "noema/io/safetensors.h"
#include "noema/learn/classifier.h"

namespace noema {

struct FineTuningOptions {
  /// Begin with the last layer too: for the same labels in the same order. Else it begins at random.
  bool keep_output = false;
  /// Passes through the samples; without it half of the training that the model's recipe gives; 0: the parameters stay
  /// as they begin.
  std::optional<int> epochs;
  /// What was taken over learns at the rate of the model's training, multiplied by this; a new last layer at that rate.
  double learning_rate_scale = 0.3;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// Makes fresh models of the same architecture as a network's file, trained by the same recipe on features chosen in
/// the same way, from scratch. @throws as `open_classifier`; UsageError if the file holds no network
ClassifierFactory network_like(const std::shared_ptr<const SafeTensors>& source);

/// Makes models that keep the feature transform of a network's file and begin with its parameters.
/// @throws as `network_like`; UsageError for options out of range. Their `fit` throws ShapeError for samples of another
///         number of features, and DataError for `keep_output` with another number of classes.
ClassifierFactory fine_tuned(const std::shared_ptr<const SafeTensors>& source, const FineTuningOptions& options);

}  // namespace noema
