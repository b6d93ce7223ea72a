#include "noema/decoders/classification_task.h"

#include <ATen/ops/cross_entropy_loss.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "noema/core/error.h"
#include "noema/core/hash.h"
#include "noema/learn/scores.h"

namespace noema {
namespace {

constexpr std::size_t kValidationBatch = 64;

}  // namespace

ClassificationTask::ClassificationTask(const Network& network, const NetworkOptions& options, const VolumeSource& train,
                                       const VolumeSource& held_in, std::string fingerprint)
    : network_(network),
      options_(options),
      train_(train),
      held_in_(held_in),
      device_(network.parameters().front().device()),
      fingerprint_(std::move(fingerprint)) {}

std::vector<TrainedParameter> ClassificationTask::parameters() {
  std::vector<TrainedParameter> list = network_.trained_parameters();
  if (!options_.start) return list;
  for (TrainedParameter& parameter : list) {
    const bool taken_over = options_.start->keep_output || !is_output_layer(parameter.name);
    if (taken_over) parameter.learning_rate_scale *= options_.start->learning_rate_scale;
  }
  return list;
}

at::Tensor ClassificationTask::loss(std::span<const std::int64_t> indices, StepRandom& random) {
  const Batch batch = train_.batch(indices, options_.shortest_crop, &random.stream);
  const at::Tensor logits = network_.forward(batch.windows.to(device_), batch.weights.to(device_), random.generator);
  return at::cross_entropy_loss(logits, batch.labels.to(device_), {}, at::Reduction::Mean, -100,
                                options_.label_smoothing);
}

std::optional<ValidationScores> ClassificationTask::validate() {
  if (held_in_.size() == 0) return std::nullopt;
  std::vector<std::int64_t> all(static_cast<std::size_t>(held_in_.size()));
  std::iota(all.begin(), all.end(), 0);
  ValidationScores scores;
  Predictions predictions;
  for (std::size_t begin = 0; begin < all.size(); begin += kValidationBatch) {
    const auto indices = std::span(all).subspan(begin, std::min(kValidationBatch, all.size() - begin));
    const Batch batch = held_in_.batch(indices, 1, nullptr);
    const at::Tensor logits = network_.forward(batch.windows.to(device_), batch.weights.to(device_), {}).cpu();
    scores.loss += at::cross_entropy_loss(logits, batch.labels, {}, at::Reduction::Sum).item<double>();
    const at::Tensor best = logits.argmax(1);
    predictions.classes = static_cast<int>(logits.size(1));
    for (std::int64_t b = 0; b < best.size(0); ++b) {
      predictions.truth.push_back(static_cast<int>(batch.labels[b].item<std::int64_t>()));
      predictions.predicted.push_back(static_cast<int>(best[b].item<std::int64_t>()));
    }
  }
  scores.loss /= static_cast<double>(all.size());
  predictions.fold.assign(all.size(), 0);
  predictions.block = predictions.run = predictions.fold;
  scores.balanced_accuracy = score(predictions).balanced_accuracy;
  return scores;
}

std::pair<std::vector<int>, std::vector<int>> hold_in(const SampleSet& set, std::uint64_t seed) {
  std::set<std::string> subjects, runs;
  for (const Sample& sample : set.samples) {
    const LearningRun& run = set.runs->at(static_cast<std::size_t>(sample.run));
    subjects.insert(run.subject);
    runs.insert(run.id);
  }
  const bool by_subject = subjects.size() > 1;
  const std::set<std::string>& groups = by_subject ? subjects : runs;
  if (groups.size() < 2) throw DataError("validation needs a second run to hold in; train without validation");
  const auto held =
      std::next(groups.begin(), static_cast<std::ptrdiff_t>(RandomStream(seed, "validation").below(groups.size())));
  std::pair<std::vector<int>, std::vector<int>> parts;
  for (int n = 0; n < set.size(); ++n) {
    const LearningRun& run = (*set.runs)[static_cast<std::size_t>(set.samples[static_cast<std::size_t>(n)].run)];
    ((by_subject ? run.subject : run.id) == *held ? parts.second : parts.first).push_back(n);
  }
  return parts;
}

std::string fingerprint_of(const SampleSet& set) {
  Hasher hasher;
  for (const Sample& sample : set.samples) {
    const LearningRun& run = set.runs->at(static_cast<std::size_t>(sample.run));
    hasher.add(fmt::format("{}|{}|{}|", run.id, sample.label, fmt::join(sample.volumes, ",")));
    hasher.add(std::as_bytes(std::span(sample.weights)));
    const MatrixF& values = run.series.values;
    for (const int volume : sample.volumes) {
      const float* row = values.data() + static_cast<std::int64_t>(volume) * values.cols();
      hasher.add(std::as_bytes(std::span(row, static_cast<std::size_t>(values.cols()))));
    }
  }
  return hasher.digest();
}

}  // namespace noema
