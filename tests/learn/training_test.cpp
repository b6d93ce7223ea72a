#include "noema/learn/training.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <functional>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/learn/tensors.h"
#include "noema/learn/training_checkpoint.h"

#include "made_up.h"

namespace noema {
namespace {

using made_up::message_of;
using made_up::TemporaryFolder;

at::Tensor random_tensor(at::IntArrayRef shape, const char* purpose) {
  RandomStream stream(3, purpose);
  at::Generator generator = make_generator(at::kCPU, stream);
  return at::empty(shape, at::TensorOptions(at::kFloat)).normal_(0, 1, generator);
}

/// A two-layer regression with dropout whose loss depends on the batch, the stream and the generator.
class Regression : public TrainingTask {
 public:
  Regression() {
    for (at::Tensor* tensor : {&first_, &second_, &scale_}) tensor->requires_grad_(true);
  }
  std::vector<TrainedParameter> parameters() override {
    return {{"first", first_, 0.5, true}, {"second", second_, 1, true}, {"scale", scale_, 1, false}};
  }
  std::int64_t size() const override { return inputs_.size(0); }
  std::string fingerprint() const override { return fingerprint_; }

  at::Tensor loss(std::span<const std::int64_t> batch, StepRandom& random) override {
    if (before_step) before_step(++calls);
    seen.insert(seen.end(), batch.begin(), batch.end());
    at::Tensor rows = at::empty({static_cast<std::int64_t>(batch.size())}, at::TensorOptions(at::kLong));
    std::copy(batch.begin(), batch.end(), rows.data_ptr<std::int64_t>());
    at::Tensor hidden = inputs_.index_select(0, rows).matmul(first_).tanh();
    hidden = hidden * at::empty(hidden.sizes()).bernoulli_(0.8, random.generator);
    const double jitter = 1 + 0.01 * random.stream.normal();
    return (hidden.matmul(second_) * scale_ * jitter - targets_.index_select(0, rows)).square().mean();
  }
  std::optional<ValidationScores> validate() override {
    if (validation_losses.empty()) return std::nullopt;
    return ValidationScores{validation_losses[validations++ % validation_losses.size()], 0.5};
  }

  std::vector<at::Tensor> values() const { return {first_.detach(), second_.detach(), scale_.detach()}; }

  std::function<void(int)> before_step;
  int calls = 0;
  std::vector<std::int64_t> seen;
  std::vector<double> validation_losses;
  std::size_t validations = 0;
  std::string fingerprint_ = "regression";

 private:
  at::Tensor inputs_ = random_tensor({23, 5}, "inputs");
  at::Tensor targets_ = inputs_.narrow(1, 0, 1) * inputs_.narrow(1, 1, 1);
  at::Tensor first_ = random_tensor({5, 7}, "first");
  at::Tensor second_ = random_tensor({7, 1}, "second");
  at::Tensor scale_ = random_tensor({1}, "scale");
};

TrainingOptions short_training() {
  TrainingOptions options;
  options.epochs = 6;
  options.batch_size = 4;  // 6 steps an epoch, the last of 3 samples
  options.learning_rate = 0.02;
  options.warmup = 0.25;
  options.checkpoint_interval_s = 0;
  return options;
}

void expect_same_bits(const std::vector<at::Tensor>& found, const std::vector<at::Tensor>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(to_tensor_data(found[i]).bytes, to_tensor_data(expected[i]).bytes) << "parameter " << i;
  }
}

/// Runs `work` in a process of its own and returns the signal that ended it, 0 if none.
int signal_of_child(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    work();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

class TrainingTest : public testing::Test {
 protected:
  // Threads of LibTorch would not live on in a forked process.
  TrainingTest() { at::set_num_threads(1); }
  ~TrainingTest() override {
    at::set_num_threads(threads_);
    reset_cancel();
  }
  int threads_ = at::get_num_threads();
  TemporaryFolder folder_;
};

TEST_F(TrainingTest, AdamWMatchesItsFormulas) {
  at::Tensor w = at::empty({2}, at::TensorOptions(at::kDouble));
  w[0] = 1.0;
  w[1] = -2.0;
  at::Tensor b = w.clone(), slow = w.clone();
  for (at::Tensor* tensor : {&w, &b, &slow}) tensor->requires_grad_(true);
  // The last like the second by its limit: min(0.01, 0.001).
  AdamW optimizer({{"w", w, 1, true}, {"b", b, 0.1, false}, {"slow", slow, 1, false, 0.001}}, 0.1);
  double value[2] = {1, 1}, m[2] = {0, 0}, v[2] = {0, 0};  // by hand, for the first entry of w and b
  for (int t = 1; t <= 3; ++t) {
    optimizer.clear_gradients();
    (w.square() + 3 * b.square() + 3 * slow.square()).sum().backward();
    for (int i = 0; i < 2; ++i) {
      const double gradient = (i == 0 ? 2 : 6) * value[i];
      m[i] = 0.9 * m[i] + 0.1 * gradient;
      v[i] = 0.999 * v[i] + 0.001 * gradient * gradient;
      const double rate = i == 0 ? 0.01 : 0.001;
      if (i == 0) value[i] *= 1 - rate * 0.1;
      value[i] -= rate * (m[i] / (1 - std::pow(0.9, t))) / (std::sqrt(v[i] / (1 - std::pow(0.999, t))) + 1e-8);
    }
    optimizer.step(0.01);
    EXPECT_NEAR(w[0].item<double>(), value[0], 1e-12);
    EXPECT_NEAR(b[0].item<double>(), value[1], 1e-12);
    EXPECT_NEAR(slow[0].item<double>(), value[1], 1e-12);
  }
}

TEST_F(TrainingTest, ClipsTheCommonNorm) {
  at::Tensor a = at::zeros({2}).requires_grad_(true), b = at::zeros({1}).requires_grad_(true);
  AdamW optimizer({{"a", a}, {"b", b}}, 0);
  (a.sum() * 2 + b.sum() * 1).backward();  // gradients (2, 2), (1): norm 3
  EXPECT_NEAR(optimizer.clip_gradients(5), 3, 1e-6);
  EXPECT_NEAR(a.grad()[1].item<double>(), 2, 1e-6);
  EXPECT_NEAR(optimizer.clip_gradients(1.5), 3, 1e-6);
  EXPECT_NEAR(a.grad()[1].item<double>(), 1, 1e-6);
  EXPECT_NEAR(b.grad()[0].item<double>(), 0.5, 1e-6);
}

TEST_F(TrainingTest, LearningRateRisesThenFallsByACosine) {
  EXPECT_DOUBLE_EQ(learning_rate_at(0, 100, 0.1, 2), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate_at(9, 100, 0.1, 2), 2);
  EXPECT_DOUBLE_EQ(learning_rate_at(10, 100, 0.1, 2), 2);
  EXPECT_NEAR(learning_rate_at(55, 100, 0.1, 2), 1, 1e-12);
  EXPECT_NEAR(learning_rate_at(40, 100, 0.1, 2), 1.5, 1e-12);
  EXPECT_LT(learning_rate_at(99, 100, 0.1, 2), 0.001);
  EXPECT_DOUBLE_EQ(learning_rate_at(0, 100, 0, 2), 2);
}

TEST_F(TrainingTest, EpochsFollowTheBoundsOfSteps) {
  TrainingOptions options;
  options.epochs = 60;
  options.batch_size = 16;
  EXPECT_EQ(planned_epochs(options, 88), 60);
  options.min_steps = 300;
  EXPECT_EQ(planned_epochs(options, 48), 100);  // 3 steps an epoch
  options.max_steps = 600;
  EXPECT_EQ(planned_epochs(options, 1600), 6);    // 100 steps an epoch
  EXPECT_EQ(planned_epochs(options, 160000), 1);  // at least one
}

TEST_F(TrainingTest, EveryEpochSeesEverySampleOnceInAnotherOrder) {
  Regression task;
  const TrainingHistory history = train(task, short_training());
  ASSERT_EQ(history.epochs.size(), 6);
  EXPECT_EQ(history.taken_epoch, 5);
  ASSERT_EQ(task.seen.size(), 6 * 23);
  std::vector<std::int64_t> first(task.seen.begin(), task.seen.begin() + 23);
  std::vector<std::int64_t> second(task.seen.begin() + 23, task.seen.begin() + 46);
  EXPECT_NE(first, second);
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  EXPECT_EQ(first, second);
  for (std::int64_t i = 0; i < 23; ++i) EXPECT_EQ(first[static_cast<std::size_t>(i)], i);
}

TEST_F(TrainingTest, LossFallsAndSeedDecides) {
  TrainingOptions options = short_training();
  options.epochs = 100;
  options.learning_rate = 0.03;
  Regression one, same, other;
  const TrainingHistory history = train(one, options);
  EXPECT_LT(history.epochs.back().train_loss, 0.75 * history.epochs.front().train_loss);
  train(same, options);
  expect_same_bits(one.values(), same.values());
  options.seed = 1;
  train(other, options);
  EXPECT_FALSE(one.values()[0].equal(other.values()[0]));
}

TEST_F(TrainingTest, GoesOnBitForBitAfterBeingKilledAnywhere) {
  Regression whole;
  const TrainingHistory expected = train(whole, short_training());
  for (const int step : {1, 2, 6, 7, 15, 36}) {
    TrainingOptions options = short_training();
    options.checkpoint = folder_.path() / ("killed-" + std::to_string(step));
    EXPECT_EQ(signal_of_child([&] {
                Regression task;
                task.before_step = [step](int call) {
                  if (call == step) kill(getpid(), SIGKILL);
                };
                train(task, options);
              }),
              SIGKILL);
    Regression resumed;
    const TrainingHistory history = train(resumed, options);
    EXPECT_EQ(resumed.seen.size(),
              whole.seen.size() - static_cast<std::size_t>((step - 1) / 6 * 23 + (step - 1) % 6 * 4));
    expect_same_bits(resumed.values(), whole.values());
    ASSERT_EQ(history.epochs.size(), expected.epochs.size());
    for (std::size_t e = 0; e < history.epochs.size(); ++e) {
      EXPECT_EQ(history.epochs[e].train_loss, expected.epochs[e].train_loss);
      EXPECT_EQ(history.epochs[e].learning_rate, expected.epochs[e].learning_rate);
    }
  }
}

TEST_F(TrainingTest, SurvivesKillsAtAnyMomentOfWriting) {
  Regression whole;
  train(whole, short_training());
  TrainingOptions options = short_training();
  options.checkpoint = folder_.path() / "checkpoint";
  for (const int delay_us : {500, 2000, 4000, 7000, 11000}) {
    const pid_t child = fork();
    if (child == 0) {
      Regression task;
      train(task, options);
      _exit(0);
    }
    usleep(static_cast<useconds_t>(delay_us));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  Regression resumed;
  train(resumed, options);
  expect_same_bits(resumed.values(), whole.values());
  Regression again;  // a finished training is only read
  train(again, options);
  EXPECT_TRUE(again.seen.empty());
  expect_same_bits(again.values(), whole.values());
}

TEST_F(TrainingTest, CancelledItWritesACheckpointFirst) {
  Regression whole;
  train(whole, short_training());
  TrainingOptions options = short_training();
  options.checkpoint = folder_.path() / "checkpoint";
  options.checkpoint_interval_s = 1e6;
  Regression cancelled;
  cancelled.before_step = [](int call) {
    if (call == 9) request_cancel();
  };
  EXPECT_THROW(train(cancelled, options), Cancelled);
  reset_cancel();
  Regression resumed;
  train(resumed, options);
  EXPECT_EQ(resumed.seen.size(), whole.seen.size() - 23 - 3 * 4);
  expect_same_bits(resumed.values(), whole.values());
}

TEST_F(TrainingTest, StopsEarlyAndTakesTheBestEpoch) {
  TrainingOptions options = short_training();
  options.epochs = 10;
  options.patience = 2;
  options.checkpoint = folder_.path() / "checkpoint";
  std::vector<at::Tensor> third;
  Regression task;
  task.validation_losses = {3, 2, 1, 1.5, 1.2, 0.1};
  task.before_step = [&](int call) {
    if (call != 3 * 6 + 1) return;
    for (const at::Tensor& value : task.values()) third.push_back(value.clone());
  };
  const TrainingHistory history = train(task, options);
  EXPECT_EQ(history.epochs.size(), 5);
  EXPECT_EQ(history.taken_epoch, 2);
  EXPECT_EQ(history.epochs[3].validation_loss, 1.5);
  EXPECT_EQ(history.epochs[3].validation_accuracy, 0.5);
  expect_same_bits(task.values(), third);
  Regression again;
  again.validation_losses = {0};
  EXPECT_EQ(train(again, options).taken_epoch, 2);
  expect_same_bits(again.values(), third);
}

TEST_F(TrainingTest, RefusesWhatCannotBe) {
  TrainingOptions options = short_training();
  options.checkpoint = folder_.path() / "checkpoint";
  Regression task;
  train(task, options);
  Regression other;
  other.fingerprint_ = "another";
  EXPECT_NE(message_of<UsageError>([&] { train(other, options); }).find("other data or settings"), std::string::npos);
  options.learning_rate = 0.03;
  EXPECT_THROW(train(task, options), UsageError);

  options = short_training();
  options.patience = 1;
  Regression unvalidated;
  EXPECT_NE(message_of<UsageError>([&] { train(unvalidated, options); }).find("validation"), std::string::npos);
  options = short_training();
  options.learning_rate = 1e30;
  Regression diverging;
  EXPECT_NE(message_of<NumericalError>([&] { train(diverging, options); }).find("learning rate"), std::string::npos);
  options = short_training();
  options.warmup = 1;
  EXPECT_NE(message_of<UsageError>([&] { train(task, options); }).find("warmup"), std::string::npos);
}

}  // namespace
}  // namespace noema
