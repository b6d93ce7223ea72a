// Averaged weights, parameters of subjects and backward passes by slices, against the same done plainly.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "noema/core/error.h"
#include "noema/learn/averaged_weights.h"
#include "noema/learn/parameter_bank.h"
#include "noema/learn/sliced_backward.h"

namespace noema {
namespace {

at::Tensor leaf(std::vector<double> values) { return at::tensor(values, at::kDouble).set_requires_grad(true); }

double difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

void set(const at::Tensor& parameter, std::vector<double> values) {
  const at::NoGradGuard no_gradients;
  at::Tensor(parameter).copy_(at::tensor(values, at::kDouble));
}

TEST(AveragedWeights, AreMeans) {
  const at::Tensor w = leaf({1, 2}), b = leaf({5});
  AveragedWeights averaged({{"w", w}, {"b", b}});
  EXPECT_THROW(averaged.copy_back(), UsageError);
  averaged.add();
  set(w, {2, 6});
  averaged.add();
  set(w, {6, 1});
  set(b, {8});
  averaged.add();
  EXPECT_EQ(averaged.count(), 3);
  averaged.copy_back();
  EXPECT_LT(difference(w.detach(), at::tensor({3., 3.}, at::kDouble)), 1e-15);
  EXPECT_LT(difference(b.detach(), at::tensor({6.}, at::kDouble)), 1e-15);
  // The means go on after the copy: (1 + 2 + 6 + 7)/4.
  set(w, {7, 3});
  averaged.add();
  EXPECT_LT(difference(averaged.means()[0], at::tensor({4., 3.}, at::kDouble)), 1e-15);
  averaged.restart();
  averaged.add();
  EXPECT_LT(difference(averaged.means()[0], at::tensor({7., 3.}, at::kDouble)), 1e-15);
  EXPECT_THROW(AveragedWeights({}), UsageError);
}

// Noisy gradients of (w − 3)²: the mean of the last iterates lies nearer to 3 than they do.
TEST(AveragedWeights, CalmNoise) {
  const at::Tensor w = leaf({0});
  AdamW optimizer({{"w", w}}, 0);
  AveragedWeights averaged({{"w", w}});
  double apart = 0;
  for (int step = 0; step < 600; ++step) {
    optimizer.clear_gradients();
    torch::autograd::backward({(w - 3 - 2 * std::sin(12.9898 * step * step)).square().sum()});
    optimizer.step(0.2);
    if (step < 200) continue;
    averaged.add();
    apart += std::abs(w.item<double>() - 3) / 400;
  }
  averaged.copy_back();
  EXPECT_LT(std::abs(w.item<double>() - 3), apart / 2);
}

/// Steps towards `target`.
void train(const at::Tensor& w, AdamW& optimizer, double target, int steps) {
  for (int step = 0; step < steps; ++step) {
    optimizer.clear_gradients();
    torch::autograd::backward({(w - target).square().sum()});
    optimizer.step(0.1);
  }
}

TEST(ParameterBank, SubjectsTrainAsIfAlone) {
  const at::Tensor w = leaf({0.5, 1});
  ParameterBank bank({{"w", w}}, 0.01);
  EXPECT_THROW(bank.optimizer(), UsageError);
  const std::vector<std::pair<std::string, double>> plan{{"01", 3}, {"02", -2}, {"01", 3}, {"03", 8}, {"02", -2}};
  for (const auto& [subject, target] : plan) {
    bank.use(subject);
    train(w, bank.optimizer(), target, 7);
  }
  const auto alone = [](double target, int steps) {
    const at::Tensor own = leaf({0.5, 1});
    AdamW optimizer({{"w", own}}, 0.01);
    train(own, optimizer, target, steps);
    return own.detach();
  };
  EXPECT_TRUE(bank.values("01")[0].equal(alone(3, 14)));
  EXPECT_TRUE(bank.values("02")[0].equal(alone(-2, 14)));
  EXPECT_TRUE(bank.values("03")[0].equal(alone(8, 7)));
  EXPECT_EQ(bank.subjects(), (std::vector<std::string>{"01", "02", "03"}));
  // Values handed out do not change with the training, and gradients do not pass from subject to subject.
  const at::Tensor before = bank.values("02")[0];
  torch::autograd::backward({w.sum()});
  bank.use("03");
  EXPECT_FALSE(w.grad().defined());
  EXPECT_TRUE(w.detach().equal(alone(8, 7)));
  bank.use("02");
  train(w, bank.optimizer(), 100, 1);
  EXPECT_FALSE(bank.values("02")[0].equal(before));
  EXPECT_THROW(bank.values("04"), UsageError);
  EXPECT_THROW(ParameterBank({}, 0), UsageError);
}

TEST(SlicedBackward, EqualsOnePass) {
  const at::Tensor series = (at::arange(3 * 20, at::kDouble) * 12.9898).sin().reshape({3, 20});
  const at::Tensor start = (at::arange(6, at::kDouble) * 0.7).cos().reshape({2, 3});
  // A loss that is no sum over frames, with a parameter of its own.
  const auto loss = [](const at::Tensor& values, const at::Tensor& scale) {
    const at::Tensor centred = values - values.mean(-1, true);
    return (scale * centred.matmul(centred.t())).square().sum();
  };
  const at::Tensor w = start.clone().set_requires_grad(true), scale = leaf({0.5, 2});
  const at::Tensor plain = loss(w.matmul(series).tanh(), scale);
  torch::autograd::backward({plain});
  for (const std::int64_t slice : {1, 6, 20, 50}) {
    const at::Tensor v = start.clone().set_requires_grad(true), s = leaf({0.5, 2});
    std::int64_t longest = 0;
    const double value = backward_over_slices(
        20, slice,
        [&](std::int64_t begin, std::int64_t end) {
          longest = std::max(longest, end - begin);
          return v.matmul(series.slice(1, begin, end)).tanh();
        },
        [&](const at::Tensor& values) { return loss(values, s); });
    EXPECT_NEAR(value, plain.item<double>(), 1e-12);
    EXPECT_LT(difference(v.grad(), w.grad()), 1e-12) << slice;
    EXPECT_LT(difference(s.grad(), scale.grad()), 1e-12) << slice;
    EXPECT_EQ(longest, std::min<std::int64_t>(slice, 20));
  }
  const auto none = [](std::int64_t begin, std::int64_t end) { return at::zeros({2, end - begin}, at::kDouble); };
  EXPECT_EQ(backward_over_slices(4, 2, none, [](const at::Tensor& values) { return values.sum(); }), 0);
  EXPECT_THROW(backward_over_slices(4, 0, none, [](const at::Tensor& values) { return values.sum(); }), UsageError);
  EXPECT_THROW(backward_over_slices(4, 2, none, [](const at::Tensor& values) { return values; }), ShapeError);
  const auto longer = [](std::int64_t, std::int64_t) { return at::zeros({2, 7}, at::kDouble); };
  EXPECT_THROW(backward_over_slices(4, 2, longer, [](const at::Tensor& values) { return values.sum(); }), ShapeError);
}

}  // namespace
}  // namespace noema
