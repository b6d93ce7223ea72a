#include "noema/learn/training.h"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>
#include <numbers>
#include <utility>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/hash.h"
#include "noema/core/log.h"
#include "noema/core/progress.h"
#include "noema/learn/training_checkpoint.h"

namespace noema {
namespace {

void require(bool good, const char* name, double found, const char* expected) {
  if (!good) throw UsageError(fmt::format("training option {} is {}, expected {}", name, found, expected));
}

class Loop {
 public:
  Loop(TrainingTask& task, const TrainingOptions& options)
      : task_(task),
        options_(options),
        optimizer_(task.parameters(), options.weight_decay),
        fingerprint_(training_fingerprint(task, options)),
        epochs_(planned_epochs(options, task.size())),
        steps_per_epoch_((task.size() + options.batch_size - 1) / options.batch_size),
        last_checkpoint_(Clock::now()) {}

  TrainingHistory run() {
    if (!options_.checkpoint.empty() && std::filesystem::exists(options_.checkpoint)) {
      read_checkpoint(options_.checkpoint, state_, optimizer_, fingerprint_);
      if (state_.epoch < epochs_) {
        log_info(fmt::format("training goes on from its checkpoint after step {} of {}", optimizer_.steps(),
                             epochs_ * steps_per_epoch_));
      }
    }
    Progress progress("training", epochs_ * steps_per_epoch_);
    progress.advance(optimizer_.steps());
    while (state_.epoch < epochs_ && !out_of_patience()) run_epoch(progress);
    if (!options_.checkpoint.empty()) checkpoint();
    return take_result();
  }

 private:
  using Clock = std::chrono::steady_clock;

  void run_epoch(Progress& progress) {
    const std::vector<std::int64_t> order =
        RandomStream(options_.seed, "order", {static_cast<std::uint64_t>(state_.epoch)}).permutation(task_.size());
    while (state_.step < steps_per_epoch_) {
      stop_if_cancelled();
      const std::int64_t begin = state_.step * options_.batch_size;
      const std::int64_t count = std::min<std::int64_t>(options_.batch_size, task_.size() - begin);
      state_.loss_sum += static_cast<double>(count) * step(std::span(order).subspan(begin, count));
      ++state_.step;
      progress.advance();
      if (state_.step < steps_per_epoch_) checkpoint_if_due();
    }
    finish_epoch();
    checkpoint_if_due();
  }

  /// Returns the loss of the batch.
  double step(std::span<const std::int64_t> batch) {
    RandomStream stream(options_.seed, "step",
                        {static_cast<std::uint64_t>(state_.epoch), static_cast<std::uint64_t>(state_.step)});
    at::Generator generator = make_generator(optimizer_.parameters().front().tensor.device(), stream);
    StepRandom random{stream, std::move(generator), optimizer_.steps()};
    optimizer_.clear_gradients();
    const at::Tensor loss = task_.loss(batch, random);
    const auto value = loss.item<double>();
    if (!std::isfinite(value)) {
      throw NumericalError(
          fmt::format("the training loss is {} in epoch {}, step {}; lower the learning rate, or look "
                      "for values in the data that are not finite",
                      value, state_.epoch + 1, state_.step + 1));
    }
    loss.backward();
    if (options_.gradient_norm > 0) optimizer_.clip_gradients(options_.gradient_norm);
    optimizer_.step(rate_of(optimizer_.steps()));
    return value;
  }

  double rate_of(std::int64_t step) const {
    return learning_rate_at(step, epochs_ * steps_per_epoch_, options_.warmup, options_.learning_rate);
  }

  void finish_epoch() {
    const at::NoGradGuard no_gradients;
    EpochRecord record;
    record.epoch = state_.epoch;
    record.learning_rate = rate_of(optimizer_.steps() - 1);
    record.train_loss = state_.loss_sum / static_cast<double>(task_.size());
    if (const auto scores = task_.validate()) {
      record.validation_loss = scores->loss;
      record.validation_accuracy = scores->balanced_accuracy;
      if (options_.patience > 0 && scores->loss < state_.best_loss) keep_as_best(scores->loss);
    } else if (options_.patience > 0) {
      throw UsageError("early stopping needs validation samples; hold some in, or set patience to 0");
    }
    state_.history.push_back(record);
    ++state_.epoch;
    state_.step = 0;
    state_.loss_sum = 0;
  }

  void keep_as_best(double loss) {
    state_.best_loss = loss;
    state_.best_epoch = state_.epoch;
    state_.best.clear();
    for (const TrainedParameter& parameter : optimizer_.parameters()) {
      state_.best.push_back(parameter.tensor.detach().clone());
    }
  }

  bool out_of_patience() const {
    return options_.patience > 0 && state_.epoch - 1 - state_.best_epoch >= options_.patience;
  }

  TrainingHistory take_result() {
    const at::NoGradGuard no_gradients;
    optimizer_.clear_gradients();
    TrainingHistory history{state_.history, state_.epoch - 1};
    if (state_.best_epoch < 0) return history;
    history.taken_epoch = state_.best_epoch;
    for (std::size_t i = 0; i < state_.best.size(); ++i) {
      optimizer_.parameters()[i].tensor.detach().copy_(state_.best[i]);
    }
    return history;
  }

  void stop_if_cancelled() {
    if (cancel_requested() && !options_.checkpoint.empty()) checkpoint();
    check_cancelled();
  }

  void checkpoint_if_due() {
    const std::chrono::duration<double> elapsed = Clock::now() - last_checkpoint_;
    if (!options_.checkpoint.empty() && elapsed.count() >= options_.checkpoint_interval_s) checkpoint();
  }

  void checkpoint() {
    write_checkpoint(options_.checkpoint, state_, optimizer_, fingerprint_);
    last_checkpoint_ = Clock::now();
  }

  TrainingTask& task_;
  const TrainingOptions& options_;
  AdamW optimizer_;
  std::string fingerprint_;
  std::int64_t epochs_;
  std::int64_t steps_per_epoch_;
  TrainingState state_;
  Clock::time_point last_checkpoint_;
};

}  // namespace

void TrainingOptions::validate() const {
  require(epochs >= 1, "epochs", epochs, "at least 1");
  require(batch_size >= 1, "batch_size", batch_size, "at least 1");
  require(min_steps >= 0, "min_steps", static_cast<double>(min_steps), "at least 0");
  require(max_steps == 0 || max_steps >= min_steps, "max_steps", static_cast<double>(max_steps),
          "0 or at least min_steps");
  require(std::isfinite(learning_rate) && learning_rate > 0, "learning_rate", learning_rate, "a positive number");
  require(warmup >= 0 && warmup < 1, "warmup", warmup, "a number from 0 to below 1");
  require(std::isfinite(weight_decay) && weight_decay >= 0, "weight_decay", weight_decay, "a number from 0 on");
  require(std::isfinite(gradient_norm) && gradient_norm >= 0, "gradient_norm", gradient_norm, "a number from 0 on");
  require(patience >= 0, "patience", patience, "at least 0");
  require(checkpoint_interval_s >= 0, "checkpoint_interval_s", checkpoint_interval_s, "a number from 0 on");
}

std::optional<ValidationScores> TrainingTask::validate() { return std::nullopt; }

TrainingHistory train(TrainingTask& task, const TrainingOptions& options) {
  options.validate();
  if (task.size() == 0) throw DataError("there are no training samples, expected at least one");
  return Loop(task, options).run();
}

std::string training_fingerprint(const TrainingTask& task, const TrainingOptions& o) {
  return hash_text(fmt::format("{}|{}|{}|{}|{}|{:a}|{:a}|{:a}|{:a}|{}|{}", task.fingerprint(), o.epochs, o.min_steps,
                               o.max_steps, o.batch_size, o.learning_rate, o.warmup, o.weight_decay, o.gradient_norm,
                               o.patience, o.seed));
}

int planned_epochs(const TrainingOptions& options, std::int64_t samples) {
  const std::int64_t per_epoch = std::max<std::int64_t>(1, (samples + options.batch_size - 1) / options.batch_size);
  std::int64_t epochs = options.epochs;
  epochs = std::max(epochs, (options.min_steps + per_epoch - 1) / per_epoch);
  if (options.max_steps > 0) epochs = std::min(epochs, std::max<std::int64_t>(1, options.max_steps / per_epoch));
  return static_cast<int>(epochs);
}

double learning_rate_at(std::int64_t step, std::int64_t steps, double warmup, double rate) {
  const auto rising = static_cast<std::int64_t>(std::floor(warmup * static_cast<double>(steps)));
  if (step < rising) return rate * static_cast<double>(step + 1) / static_cast<double>(rising);
  const double done = static_cast<double>(step - rising) / static_cast<double>(steps - rising);
  return rate * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

at::Generator make_generator(at::Device device, RandomStream& stream) {
  // A generator of our own: the one of the process is shared by all threads, and folds may train side by side.
  at::Generator shared = at::globalContext().defaultGenerator(device);
  at::Generator generator = [&] {
    const std::lock_guard lock(shared.mutex());
    return shared.clone();
  }();
  generator.set_current_seed(stream.next());
  return generator;
}

}  // namespace noema
