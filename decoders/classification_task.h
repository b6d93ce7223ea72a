// decoders/classification_task: the training of a network on labelled samples, as the training loop wants it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "noema/decoders/network.h"
#include "noema/decoders/network_classifier.h"
#include "noema/decoders/volume_source.h"
#include "noema/learn/training.h"

namespace noema {

/// Cross entropy with label smoothing; validated on held-in samples, if any. All arguments must outlive it.
class ClassificationTask : public TrainingTask {
 public:
  ClassificationTask(const Network& network, const NetworkOptions& options, const VolumeSource& train,
                     const VolumeSource& held_in, std::string fingerprint);

  std::vector<TrainedParameter> parameters() override;
  std::int64_t size() const override { return train_.size(); }
  std::string fingerprint() const override { return fingerprint_; }
  at::Tensor loss(std::span<const std::int64_t> indices, StepRandom& random) override;
  std::optional<ValidationScores> validate() override;

 private:
  const Network& network_;
  const NetworkOptions& options_;
  const VolumeSource& train_;
  const VolumeSource& held_in_;
  at::Device device_;
  std::string fingerprint_;
};

/// Indices of training samples, and of those of one subject (with a single subject: of one run) drawn by the seed.
/// @throws DataError with a single run.
std::pair<std::vector<int>, std::vector<int>> hold_in(const SampleSet& set, std::uint64_t seed);

/// A fingerprint of the samples and their volumes.
std::string fingerprint_of(const SampleSet& set);

}  // namespace noema
