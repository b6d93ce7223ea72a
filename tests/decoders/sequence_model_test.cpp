#include "noema/decoders/sequence_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/nll_loss.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/decoders/linear_autoregression.h"
#include "noema/learn/torch_settings.h"
#include "noema/simulate/sequence_tasks.h"

namespace noema {
namespace {

at::Generator generator_of(const char* purpose) {
  RandomStream stream(3, purpose);
  return make_generator(at::kCPU, stream);
}

at::Tensor normal(at::IntArrayRef shape, const char* purpose) {
  return at::empty(shape).normal_(0, 1, generator_of(purpose));
}

std::shared_ptr<SequenceModel> make_model(const SequenceShape& shape, double h3_dropout = 0.1) {
  constexpr std::int64_t channels = 16;
  at::Generator generator = generator_of("initial parameters");
  const MixerOptions options{{"modes", std::int64_t{4}}, {"shift_taps", std::int64_t{4}}, {"dropout", h3_dropout}};
  return std::make_shared<SequenceModel>(shape, MixerShape{channels, 14},
                                         std::vector<MixerDescription>{{"h3", options}}, generator);
}

SequenceShape tokens(std::int64_t count) {
  SequenceShape shape;
  shape.tokens = shape.outputs = count;
  return shape;
}

/// The token before the last one: what a shift of two solves.
SequenceData delayed_tokens() {
  const at::Tensor text = at::randint(0, 6, {64, 14}, generator_of("text"), at::TensorOptions(at::kLong));
  at::Tensor targets = at::full({64, 12}, -100, at::TensorOptions(at::kLong));
  targets.narrow(1, 2, 10).copy_(text.narrow(1, 0, 10));
  return {text.narrow(1, 0, 12), targets};
}

TrainingOptions short_training(int epochs) {
  TrainingOptions options;
  options.epochs = epochs;
  options.batch_size = 16;
  options.learning_rate = 1e-2;
  return options;
}

TEST(SequenceModel, AnswersAtEveryPlaceFromThePast) {
  const auto model = make_model(tokens(7));
  at::Tensor text = at::randint(0, 7, {3, 9}, generator_of("text"), at::TensorOptions(at::kLong));
  const at::NoGradGuard no_gradients;
  const at::Tensor before = model->forward(text, {});
  EXPECT_EQ(before.sizes(), at::IntArrayRef({3, 9, 7}));
  text.narrow(1, 5, 4).copy_(6 - text.narrow(1, 5, 4));
  const at::Tensor change = (model->forward(text, {}) - before).abs();
  EXPECT_LT(change.narrow(1, 0, 5).max().item<double>(), 1e-5);
  EXPECT_GT(change.select(1, 5).max().item<double>(), 1e-2);
  EXPECT_GT(model->parameter_count(), 7 * 16 * 2);
  EXPECT_EQ(model->state_bytes(), 16 * 3 * 4 + 16 * 4 * 8);
  EXPECT_GT(model->flops(9), 0);
}

// From one vector the last input counts everywhere, and each place has an answer of its own.
TEST(SequenceModel, UnfoldsOneVector) {
  SequenceShape shape;
  shape.channels = shape.outputs = 4;
  shape.series_out = shape.from_one_vector = true;
  const auto model = make_model(shape);
  const at::NoGradGuard no_gradients;
  at::Tensor series = normal({2, 9, 4}, "series");
  const at::Tensor before = model->forward(series, {});
  EXPECT_EQ(before.sizes(), at::IntArrayRef({2, 9, 4}));
  EXPECT_GT((before.select(1, 0) - before.select(1, 1)).abs().max().item<double>(), 1e-3);
  series.select(1, 8).add_(1);
  EXPECT_GT((model->forward(series, {}) - before).abs().select(1, 0).max().item<double>(), 1e-3);
}

TEST(SequenceModel, LearnsAndScoresWhatIsAskedAlone) {
  const OneTorchThread one_thread;
  const auto model = make_model(tokens(6));
  const SequenceData data = delayed_tokens();
  const double before = score_sequences(*model, data, SequenceLoss::cross_entropy);
  EXPECT_LT(before, 0.4);
  const TrainingHistory history = fit_sequences(*model, data, SequenceLoss::cross_entropy, short_training(60));
  EXPECT_LT(history.epochs.back().train_loss, 0.3 * history.epochs.front().train_loss);
  const double after = score_sequences(*model, data, SequenceLoss::cross_entropy);
  EXPECT_GT(after, 0.95);
  // The score is that of the places asked for, counted by hand.
  const at::NoGradGuard no_gradients;
  const at::Tensor said = model->forward(data.inputs, {}).argmax(2);
  EXPECT_NEAR(after, said.narrow(1, 2, 10).eq(data.targets.narrow(1, 2, 10)).to(at::kDouble).mean().item<double>(),
              1e-12);
}

TEST(SequenceModel, ResumesBitForBit) {
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / "sequence-checkpoint.safetensors";
  const OneTorchThread one_thread;
  std::filesystem::remove(file);
  const SequenceData data = delayed_tokens();
  TrainingOptions options = short_training(4);
  const auto straight = make_model(tokens(6)), resumed = make_model(tokens(6));
  fit_sequences(*straight, data, SequenceLoss::cross_entropy, options);
  options.checkpoint = file;
  options.checkpoint_interval_s = 0;
  request_cancel();
  EXPECT_THROW(fit_sequences(*resumed, data, SequenceLoss::cross_entropy, options), Cancelled);
  reset_cancel();
  fit_sequences(*resumed, data, SequenceLoss::cross_entropy, options);
  for (const auto& item : straight->named_parameters()) {
    EXPECT_TRUE(item.value().equal(resumed->named_parameters()[item.key()])) << item.key();
  }
}

// A checkpoint is of one network from one start: nothing else may go on from it.
TEST(SequenceModel, ResumesNoOtherNetwork) {
  const auto model = make_model(tokens(6));
  EXPECT_EQ(model->fingerprint(), make_model(tokens(6))->fingerprint());
  EXPECT_NE(model->fingerprint(), make_model(tokens(6), /*h3_dropout=*/0.2)->fingerprint());
  at::Generator other = generator_of("other parameters"), same = generator_of("initial parameters");
  const std::vector<MixerDescription> attention{{"attention", {}}},
      narrow{{"attention", {{"window", std::int64_t{2}}}}};
  const SequenceModel first(tokens(6), {16, 14}, attention, same), second(tokens(6), {16, 14}, attention, other);
  EXPECT_NE(first.fingerprint(), second.fingerprint());
  at::Generator again = generator_of("initial parameters");
  EXPECT_NE(first.fingerprint(), SequenceModel(tokens(6), {16, 14}, narrow, again).fingerprint());
  // What was learned since makes no difference, or nothing could be resumed in the same process.
  const std::string before = model->fingerprint();
  fit_sequences(*model, delayed_tokens(), SequenceLoss::cross_entropy, short_training(1));
  EXPECT_EQ(model->fingerprint(), before);
}

// Batches of which nothing is asked are left out of the loss, and sets of such are refused.
TEST(SequenceModel, LearnsNothingWhereNothingIsAsked) {
  const OneTorchThread one_thread;
  SequenceData data = delayed_tokens();
  const at::Tensor all = data.targets.clone();
  data.targets.narrow(0, 0, 63).fill_(-100);
  const auto model = make_model(tokens(6));
  const TrainingHistory history = fit_sequences(*model, data, SequenceLoss::cross_entropy, short_training(2));
  EXPECT_TRUE(std::isfinite(history.epochs.back().train_loss));
  for (const at::Tensor& parameter : model->parameters()) EXPECT_TRUE(parameter.isfinite().all().item<bool>());
  data.targets.fill_(-100);
  EXPECT_THROW(fit_sequences(*model, data, SequenceLoss::cross_entropy, short_training(2)), DataError);
  EXPECT_THROW(score_sequences(*model, data, SequenceLoss::cross_entropy), DataError);
  // The loss is the mean over what is asked, however much that is.
  const at::NoGradGuard no_gradients;
  TrainingOptions one_batch = short_training(1);
  one_batch.batch_size = 64;
  one_batch.learning_rate = 1e-12;
  const auto plain = make_model(tokens(6), /*h3_dropout=*/0);
  const at::Tensor losses = at::nll_loss(plain->forward(data.inputs, {}).log_softmax(2).flatten(0, 1), all.flatten(),
                                         {}, at::Reduction::Mean);
  const at::AutoGradMode gradients(true);
  const TrainingHistory once = fit_sequences(*plain, {data.inputs, all}, SequenceLoss::cross_entropy, one_batch);
  EXPECT_NEAR(once.epochs.front().train_loss, losses.item<double>(), 1e-5);
}

TEST(SequenceModel, ScoresSeries) {
  SequenceShape shape;
  shape.channels = shape.outputs = 3;
  shape.series_out = true;
  const auto model = make_model(shape);
  const at::NoGradGuard no_gradients;
  const at::Tensor x = normal({70, 5, 3}, "x"), y = model->forward(x, {});
  EXPECT_NEAR(score_sequences(*model, {x, y + 0.5}, SequenceLoss::absolute), 0.5, 1e-5);
  EXPECT_NEAR(score_sequences(*model, {x, y}, SequenceLoss::squared), 1, 1e-6);
  const at::Tensor twice = 2 * y;
  EXPECT_NEAR(score_sequences(*model, {x, twice}, SequenceLoss::squared), 0.75, 1e-5);
}

/// Right answers on new sequences of five pairs of four keys and values, after 1,300 steps.
double associative_recall(MixerDescription mixer) {
  SequenceTaskOptions task = published_options(SequenceTask::associative_recall);
  task.vocabulary = task.length = 10;
  task.testing = 3500;
  const SequenceSet set = draw_sequences(task, /*training=*/false);  // asked at the end alone
  const auto tensor = [&](const std::vector<std::int64_t>& values) {
    return at::tensor(values, at::TensorOptions(at::kLong)).view({set.count, set.length});
  };
  const at::Tensor inputs = tensor(set.tokens), asked = tensor(set.asked);
  std::vector<std::int64_t> unseen;  // of those to test on
  for (std::int64_t n = 3200; n < set.count; ++n) {
    if (!inputs.narrow(0, 0, 3200).eq(inputs[n]).all(1).any().item<bool>()) unseen.push_back(n);
  }
  EXPECT_GT(unseen.size(), 200U);
  const at::Tensor test = at::tensor(unseen, at::TensorOptions(at::kLong));
  at::Generator generator = generator_of("initial parameters");
  mixer.options["dropout"] = 0.0;
  const MixerDescription channels{"swiglu", {{"dropout", 0.0}}};
  const SequenceModel model(tokens(10), {32, set.length}, {mixer, channels, mixer, channels}, generator);
  TrainingOptions training;
  training.batch_size = 32;
  training.learning_rate = 5e-3;
  training.weight_decay = 0.1;
  training.min_steps = training.max_steps = 1300;
  fit_sequences(model, {inputs.narrow(0, 0, 3200), asked.narrow(0, 0, 3200)}, SequenceLoss::cross_entropy, training);
  return score_sequences(model, {inputs.index_select(0, test), asked.index_select(0, test)},
                         SequenceLoss::cross_entropy);
}

// What sets products of series apart from sums over them.
TEST(SequenceModel, H3AndAttentionRecallWhatAStateSpaceDoesNot) {
  const OneTorchThread one_thread;
  EXPECT_GT(associative_recall({"h3", {}}), 0.97);
  EXPECT_GT(associative_recall({"attention", {}}), 0.97);
  EXPECT_LT(associative_recall({"long-conv", {{"kernel", std::string("state-space")}}}), 0.9);
}

// x[t+1] = A x[t] + B x[t−1] + c without noise is found exactly.
TEST(LinearAutoregression, FindsTheWeightsOfASeries) {
  const auto options = at::TensorOptions(at::kDouble);
  const at::Tensor a = 0.3 * normal({3, 3}, "a").to(at::kDouble), b = 0.2 * normal({3, 3}, "b").to(at::kDouble);
  const at::Tensor c = normal({3}, "c").to(at::kDouble);
  at::Tensor series = at::zeros({20, 30, 3}, options);
  series.select(1, 0).copy_(normal({20, 3}, "start"));
  for (std::int64_t t = 0; t + 1 < 30; ++t) {
    at::Tensor next = series.select(1, t).matmul(a) + c;
    if (t > 0) next += series.select(1, t - 1).matmul(b);
    series.select(1, t + 1).copy_(next);
  }
  const LinearAutoregression model(series, 2, 0);
  const at::Tensor expected = series.narrow(1, 1, 29);
  EXPECT_LT((model.predict(series).narrow(1, 0, 29) - expected).abs().max().item<double>(), 1e-6);
  const LinearAutoregression first_order(series, 1, 0), shrunk(series, 2, 10);
  EXPECT_GT((first_order.predict(series).narrow(1, 0, 29) - expected).abs().max().item<double>(), 1e-2);
  EXPECT_GT((shrunk.predict(series).narrow(1, 0, 29) - expected).abs().max().item<double>(), 1e-2);
  EXPECT_THROW(LinearAutoregression(at::zeros({2, 9, 3}, options), 1, 0), NumericalError);
}

}  // namespace
}  // namespace noema
