#include "noema/mixers/separable_conv.h"

#include <cmath>

#include "noema/core/error.h"
#include "written_out.h"

namespace noema {
namespace {

using namespace written_out;

/// Lag l of a two-sided kernel (2, C, L) or a causal one (C, L), as (C); 1 of lag 0 without a kernel.
at::Tensor tap(const at::Tensor& kernel, std::int64_t lag) {
  if (!kernel.defined()) return at::ones({1}, at::TensorOptions(at::kDouble)) * (lag == 0 ? 1 : 0);
  if (kernel.dim() == 2) {
    const bool has = lag >= 0 && lag < kernel.size(1);
    return has ? kernel.select(1, lag) : at::zeros({kernel.size(0)}, kernel.options());
  }
  const std::int64_t taps = kernel.size(2);
  if (lag >= taps || lag < -taps) return at::zeros({kernel.size(1)}, kernel.options());
  return lag >= 0 ? kernel[0].select(1, lag) : kernel[1].select(1, -1 - lag);
}

/// (…, X, Y, Z, C) with the outer product of three kernels, place by place.
at::Tensor direct_in_space(const at::Tensor& v, const at::Tensor& kx, const at::Tensor& ky, const at::Tensor& kz) {
  at::Tensor y = at::zeros(v.sizes(), v.options());
  const std::int64_t nx = v.size(-4), ny = v.size(-3), nz = v.size(-2);
  const auto place = [](const at::Tensor& t, std::int64_t i, std::int64_t j, std::int64_t k) {
    return t.select(-4, i).select(-3, j).select(-2, k);
  };
  for (std::int64_t to = 0; to < nx * ny * nz; ++to) {
    for (std::int64_t from = 0; from < nx * ny * nz; ++from) {
      const std::int64_t a = to / (ny * nz), b = to / nz % ny, c = to % nz;
      const std::int64_t i = from / (ny * nz), j = from / nz % ny, k = from % nz;
      place(y, a, b, c) += place(v, i, j, k) * tap(kx, a - i) * tap(ky, b - j) * tap(kz, c - k);
    }
  }
  return y;
}

TEST(SeparableConvolution, TakesItsAxesInAnyOrder) {
  const at::Tensor x = normal({3, 4, 2, 3, 5}, "x");
  const at::Tensor kx = normal({2, 5, 3}, "kx"), ky = normal({2, 5, 2}, "ky"), kz = normal({2, 5, 4}, "kz");
  const at::Tensor expected = direct_in_space(x, kx, ky, kz);
  EXPECT_LT(largest_difference(separable_convolution(x, {{3, kz}, {1, kx}, {2, ky}}), expected), 1e-11);
  EXPECT_THROW(separable_convolution(x, {{4, kx}}), ShapeError);
}

/// (N, …, C) with the outer product of a kernel for each axis but the first and the last, place by place.
at::Tensor direct(const at::Tensor& x, const std::vector<at::Tensor>& kernels) {
  const at::Tensor flat = x.flatten(1, -2);  // (N, places, C)
  at::Tensor y = at::zeros(flat.sizes(), x.options());
  for (std::int64_t to = 0; to < flat.size(1); ++to) {
    for (std::int64_t from = 0; from < flat.size(1); ++from) {
      at::Tensor weight = at::ones({1}, x.options());
      std::int64_t rest_to = to, rest_from = from;
      for (std::size_t axis = kernels.size(); axis > 0; --axis) {
        const std::int64_t size = x.size(static_cast<std::int64_t>(axis));
        weight = weight * tap(kernels[axis - 1], rest_to % size - rest_from % size);
        rest_to /= size;
        rest_from /= size;
      }
      y.select(1, to) += flat.select(1, from) * weight;
    }
  }
  return y.view(x.sizes());
}

// Series of volumes, (N, X, Y, Z, T, C): along any of the axes, of time to one side alone.
TEST(SeparableConvolution, IsTheDirectSumOfSeriesOfVolumesForEverySetOfAxes) {
  const at::Tensor x = normal({1, 2, 3, 2, 3, 2}, "x");
  const at::Tensor kernels[] = {normal({2, 2, 2}, "kx"), normal({2, 2, 4}, "ky"), normal({2, 2, 1}, "kz"),
                                normal({2, 3}, "kt")};
  for (unsigned set = 0; set < 16; ++set) {
    SCOPED_TRACE(set);
    std::vector<at::Tensor> chosen(4);
    std::vector<AxisKernel> along;
    for (std::size_t axis = 0; axis < 4; ++axis) {
      if ((set >> axis & 1) == 0) continue;
      chosen[axis] = kernels[axis];
      along.push_back({static_cast<std::int64_t>(axis) + 1, kernels[axis],
                       axis == 3 ? LagConvention::causal : LagConvention::bidirectional});
    }
    const at::Tensor expected = direct(x, chosen);
    EXPECT_LT(largest_difference(separable_convolution(x, along), expected), 1e-11);
    EXPECT_EQ(largest_difference(x, expected) > 0.1, set > 0);
  }
}

SeparableConvOptions options_of(std::int64_t time_taps) {
  SeparableConvOptions options;
  options.grid = {2, 1, 3};
  options.features = 3;
  options.taps = {2, 2, 2};
  options.time_taps = time_taps;
  return options;
}
constexpr std::int64_t kWidth = 2 * 1 * 3 * 3;

/// What is added, with the dropout of these draws.
at::Tensor formula(const at::Tensor& x, Values& p, std::int64_t time_taps, const Draws& draws = {}) {
  const at::Tensor v = normed(x.reshape({x.size(0), x.size(1), 2, 1, 3, 3}), p);
  at::Tensor mixed = direct_in_space(v, p["x_kernel"], p["y_kernel"], p["z_kernel"]);
  if (time_taps > 0) {
    at::Tensor in_time = at::zeros(mixed.sizes(), mixed.options());
    for (std::int64_t t = 0; t < x.size(1); ++t) {
      for (std::int64_t lag = 0; lag <= std::min<std::int64_t>(t, time_taps - 1); ++lag) {
        in_time.select(1, t) += mixed.select(1, t - lag) * p["time_kernel"].select(1, lag);
      }
    }
    mixed = in_time;
  }
  const at::Tensor active = gelu_of(mixed + p["skip"] * v);
  const at::Tensor share = dropout(at::ones(active.sizes(), active.options()), 0.5, draws);
  const auto halves = mapped(active * share, p, "output").chunk(2, -1);
  return (halves[0] / (1 + (-halves[1]).exp())).reshape(x.sizes());
}

TEST(SeparableConv, IsTheFormulaOfItsDescriptionInThreeAndFourDimensions) {
  for (const std::int64_t time_taps : {0, 4}) {
    expect_formula<SeparableConv>(options_of(time_taps), kWidth,
                                  [&](const at::Tensor& x, Values& p) { return formula(x, p, time_taps); });
  }
}

TEST(SeparableConv, TakesAnyOfTheAxes) {
  SeparableConvOptions options = options_of(0);
  options.taps = {0, 0, 2};
  expect_formula<SeparableConv>(options, kWidth, [&](const at::Tensor& x, Values& p) { return formula(x, p, 0); });
  EXPECT_EQ(filled<SeparableConv>(options)->parameter_count(), 2 * 3 * 2 + 3 + 6 + 6 * 4);
  EXPECT_EQ(filled<SeparableConv>(options)->flops(9), 9 * kWidth * (2 * 4 + 2 * 2 * 3 + 30));
  options.taps = {0, -1, 2};
  EXPECT_THROW(options.validate(), UsageError);
}

TEST(SeparableConv, DropsOutOnlyWithDraws) {
  SeparableConvOptions options = options_of(4);
  options.dropout = 0.5;
  const auto module = filled<SeparableConv>(options);
  Values p = values_of(*module);
  const at::Tensor x = normal({2, 5, kWidth}, "x");
  const at::NoGradGuard no_gradients;
  const at::Tensor dropped = formula(x, p, 4, same_draws());
  EXPECT_LT(largest_difference(module->forward(x, all_volumes(x), same_draws()) - x, dropped), 1e-11);
  EXPECT_LT(largest_difference(module->forward(x, all_volumes(x), {}) - x, formula(x, p, 4)), 1e-11);
  EXPECT_GT(largest_difference(dropped, formula(x, p, 4)), 0.1);
}

TEST(SeparableConv, IsSoundAsAMixer) {
  for (const std::int64_t time_taps : {0, 4}) {
    const SeparableConvOptions options = options_of(time_taps);
    SeparableConvOptions small = options;
    small.grid = {1, 1, 2};
    expect_exact_gradients(*filled<SeparableConv>(small), 2 * 3);
    expect_padding_without_influence(*filled<SeparableConv>(options, at::kFloat), kWidth);
    expect_recurrence<SeparableConv>(options, kWidth);
  }
}

TEST(SeparableConv, ReportsItsSize) {
  const auto volumes = filled<SeparableConv>(options_of(0), at::kFloat);
  EXPECT_EQ(volumes->parameter_count(), 3 * 2 * 3 * 2 + 3 + 6 + 6 * 4);
  EXPECT_EQ(volumes->state_bytes(), 0);
  const SeparableConvOptions options = options_of(4);
  const auto series = filled<SeparableConv>(options, at::kFloat);
  EXPECT_EQ(series->parameter_count(), volumes->parameter_count() + 12);
  EXPECT_EQ(series->state_bytes(), 3 * kWidth * 4);
  // Axes of 2, 1 and 3 places have 3, 1 and 4 of the 4 lags; products of the linear layer.
  EXPECT_EQ(volumes->flops(9), 9 * kWidth * (2 * (3 + 1 + 4) + 2 * 2 * 3 + 30));
  EXPECT_EQ(series->flops(9), volumes->flops(9) + 9 * kWidth * 2 * 4);
  EXPECT_THROW((SeparableConvOptions{.features = 1}.validate()), UsageError);
  EXPECT_THROW((SeparableConvOptions{.grid = {0, 1, 1}}.validate()), UsageError);
  const at::Tensor x = normal({1, 2, kWidth + 1}, "x", at::kFloat);
  EXPECT_THROW(series->forward(x, all_volumes(x), {}), ShapeError);
}

TEST(SeparableConv, KernelsStartWithASumOfOne) {
  at::Generator generator = parameter_generator();
  const SeparableConv module(options_of(4), generator);
  const auto p = values_of(module);
  for (const char* name : {"x_kernel", "y_kernel", "z_kernel"}) {
    EXPECT_LT((p.at(name).sum(-1).sum(0) - 1).abs().max().item<double>(), 1e-6) << name;
  }
  EXPECT_LT((p.at("time_kernel").sum(-1) - 1).abs().max().item<double>(), 1e-6);
}

}  // namespace
}  // namespace noema
