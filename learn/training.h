// learn/training: the loop that fits networks, with checkpoints from which it goes on bit for bit.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "noema/core/random.h"
#include "noema/learn/adamw.h"

namespace noema {

struct TrainingOptions {
  int epochs = 60;
  /// The number of epochs is raised or lowered until that of steps lies between these (0: no bound), so that one recipe
  /// serves small and large sets.
  std::int64_t min_steps = 0;
  std::int64_t max_steps = 0;
  int batch_size = 16;
  double learning_rate = 2e-3;
  /// The part of all steps over which the rate rises to `learning_rate`; then it falls to 0 by half a cosine.
  double warmup = 1.0 / 12;
  double weight_decay = 0.05;
  /// Gradients of a larger common norm are scaled down to it; 0: never.
  double gradient_norm = 1;
  /// Stops after so many epochs without a lower validation loss and takes the parameters of the best epoch; 0: never.
  int patience = 0;
  std::uint64_t seed = 0;
  /// Where to write checkpoints, and to go on from if it is there; empty: none.
  std::filesystem::path checkpoint;
  /// The least time between two checkpoints; 0: one after each step. The last step always writes one.
  double checkpoint_interval_s = 60;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// The random numbers of one step: functions of (seed, epoch, step) alone.
struct StepRandom {
  /// For what the processor draws, such as crops.
  RandomStream stream;
  /// For what LibTorch draws, such as dropout.
  at::Generator generator;
  /// Counts the steps of the whole training, from 0.
  std::int64_t step = 0;
};

struct ValidationScores {
  double loss = 0;
  double balanced_accuracy = 0;
};

/// What is trained, on what.
class TrainingTask {
 public:
  virtual ~TrainingTask() = default;

  /// The parameters, already on their device.
  virtual std::vector<TrainedParameter> parameters() = 0;
  /// Number of training samples.
  virtual std::int64_t size() const = 0;
  /// The mean loss of some samples: a scalar with gradients. All that is random must come from `random`.
  virtual at::Tensor loss(std::span<const std::int64_t> batch, StepRandom& random) = 0;
  /// Called after each epoch, without gradients; nothing by default.
  virtual std::optional<ValidationScores> validate();
  /// Says what is trained on what (settings, data): a checkpoint of another fingerprint is refused.
  virtual std::string fingerprint() const = 0;
};

struct EpochRecord {
  int epoch = 0;
  /// Of the last step.
  double learning_rate = 0;
  double train_loss = 0;
  double validation_loss = std::numeric_limits<double>::quiet_NaN();
  double validation_accuracy = std::numeric_limits<double>::quiet_NaN();  // balanced
};

/// One record for each epoch that was trained.
struct TrainingHistory {
  std::vector<EpochRecord> epochs;
  /// The epoch whose parameters were taken.
  int taken_epoch = 0;
};

/// Trains the task's parameters in place with AdamW.
///
/// Every epoch goes once through all samples, in a new random order. Interrupted anywhere and called again with equal
/// options and a task with the same fingerprint, it goes on from the checkpoint and ends with the same parameters, bit
/// for bit on the CPU (with the same number of threads). Cancelled, it writes a checkpoint first.
/// @throws UsageError for invalid options, a checkpoint of another training, or `patience` without validation;
///          DataError without samples; NumericalError if the loss is not finite; IoError, FormatError; Cancelled
TrainingHistory train(TrainingTask& task, const TrainingOptions& options);

/// A hash of everything that decides which parameters `train` ends with: the task's fingerprint and the options.
std::string training_fingerprint(const TrainingTask& task, const TrainingOptions& options);

/// How many epochs `train` makes of `samples` samples.
int planned_epochs(const TrainingOptions& options, std::int64_t samples);

/// The rate of step `step` of `steps`: a line up to `rate` over the first `warmup` of them, then half a cosine to 0.
double learning_rate_at(std::int64_t step, std::int64_t steps, double warmup, double rate);

/// A generator on the device, with a seed that depends on the stream's next number alone.
at::Generator make_generator(at::Device device, RandomStream& stream);

}  // namespace noema
