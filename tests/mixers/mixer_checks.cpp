#include "mixer_checks.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "noema/learn/training.h"

namespace noema {
namespace {

double rms(const at::Tensor& x) { return std::sqrt(x.to(at::kDouble).square().mean().item<double>()); }

at::ScalarType type_of(const Mixer& mixer) { return mixer.parameters().front().scalar_type(); }

at::Tensor mask_of(const at::Tensor& x) { return at::ones({x.size(0), x.size(1), 1}, x.options()); }

}  // namespace

at::Tensor normal(at::IntArrayRef shape, const char* purpose, at::ScalarType type) {
  RandomStream stream(5, purpose);
  at::Generator generator = make_generator(at::kCPU, stream);
  return at::empty(shape, at::TensorOptions(type)).normal_(0, 1, generator);
}

at::Generator parameter_generator() {
  RandomStream stream(1, "initial parameters");
  return make_generator(at::kCPU, stream);
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a - b).abs().max().item<double>();
}

void expect_is(const at::Tensor& found, const at::Tensor& expected, double tolerance) {
  const double scale = rms(expected), allowed = tolerance * scale;
  EXPECT_GT(scale, 0);
  EXPECT_LT(largest_difference(found.to(at::kDouble), expected.to(at::kDouble)), allowed);
  EXPECT_GT(expected.abs().max().item<double>(), 10 * allowed) << "zeros would pass";
  if (expected.size(1) == 1) return;
  EXPECT_GT(largest_difference(expected, expected.roll(1, 1)), 10 * allowed) << "a shift by one would pass";
}

at::Tensor direct_causal(const at::Tensor& u, const at::Tensor& kernel) {
  const at::Tensor series = u.to(at::kDouble).contiguous(), taps = kernel.to(at::kDouble).contiguous();
  at::Tensor y = at::zeros_like(series);
  const auto in = series.accessor<double, 3>();
  const auto k = taps.accessor<double, 2>();
  auto out = y.accessor<double, 3>();
  for (std::int64_t b = 0; b < in.size(0); ++b) {
    for (std::int64_t t = 0; t < in.size(1); ++t) {
      for (std::int64_t c = 0; c < in.size(2); ++c) {
        for (std::int64_t i = 0; i <= t && i < k.size(1); ++i) out[b][t][c] += k[c][i] * in[b][t - i][c];
      }
    }
  }
  return y;
}

void expect_exact_gradient(at::Tensor x, const std::function<at::Tensor()>& loss, double tolerance) {
  x.requires_grad_(true);
  x.mutable_grad().reset();
  loss().backward();
  const at::Tensor gradient = x.grad().clone().view({-1});
  const at::NoGradGuard no_gradients;
  at::Tensor flat = x.detach().view({-1});
  for (std::int64_t i = 0; i < flat.numel(); ++i) {
    const auto value = flat[i].item<double>();
    flat[i] = value + 1e-6;
    const auto up = loss().item<double>();
    flat[i] = value - 1e-6;
    const auto down = loss().item<double>();
    flat[i] = value;
    EXPECT_NEAR(gradient[i].item<double>(), (up - down) / 2e-6, tolerance) << "entry " << i;
  }
}

namespace {

/// Along some directions in which each entry takes part: entry by entry would take a forward pass for each.
void expect_exact_gradient_along_directions(at::Tensor x, const std::function<at::Tensor()>& loss) {
  x.requires_grad_(true);
  x.mutable_grad().reset();
  loss().backward();
  const at::NoGradGuard no_gradients;
  const at::Tensor gradient = x.grad().clone(), start = x.detach().clone();
  for (const char* purpose : {"first direction", "second direction", "third direction"}) {
    const at::Tensor direction = normal(x.sizes(), purpose);
    const auto loss_at = [&](double step) {
      x.detach().copy_(start + step * direction);
      return loss().item<double>();
    };
    const double found = (gradient * direction).sum().item<double>();
    EXPECT_NEAR(found, (loss_at(1e-6) - loss_at(-1e-6)) / 2e-6, 1e-6 * std::max(1.0, std::abs(found))) << purpose;
  }
  x.detach().copy_(start);
}

}  // namespace

void expect_exact_gradients(Mixer& mixer, std::int64_t channels) {
  mixer.to(at::kDouble);
  at::Tensor x = normal({2, 5, channels}, "x");
  const at::Tensor weight = normal({2, 5, channels}, "weight");
  const auto loss = [&] { return (mixer.forward(x, mask_of(x), {}) * weight).sum(); };
  expect_exact_gradient_along_directions(x, loss);
  x.requires_grad_(false);
  for (const auto& parameter : mixer.named_parameters()) {
    SCOPED_TRACE(parameter.key());
    expect_exact_gradient_along_directions(parameter.value(), loss);
  }
}

void expect_causal(const Mixer& mixer, std::int64_t channels) {
  const at::NoGradGuard no_gradients;
  for (const std::int64_t volumes : {2, 13, 64}) {
    const std::int64_t known = (volumes + 1) / 2;
    at::Tensor x = normal({3, volumes, channels}, "x", type_of(mixer));
    const at::Tensor before = mixer.forward(x, mask_of(x), {});
    x.narrow(1, known, volumes - known).add_(normal({3, volumes - known, channels}, "change", type_of(mixer)));
    const at::Tensor after = mixer.forward(x, mask_of(x), {});
    EXPECT_LT(largest_difference(before.narrow(1, 0, known), after.narrow(1, 0, known)), 1e-6 * rms(before));
    EXPECT_GT(largest_difference(before.select(1, known), after.select(1, known)), 0.1 * rms(before));
  }
}

void expect_padding_without_influence(const Mixer& mixer, std::int64_t channels) {
  const at::NoGradGuard no_gradients;
  const at::Tensor x = normal({3, 7, channels}, "x", type_of(mixer));
  const at::Tensor mask = mask_of(x), none = at::zeros({3, 4, 1}, x.options());
  const at::Tensor alone = mixer.forward(x, mask, {});
  for (const double scale : {1.0, 100.0}) {
    const at::Tensor junk = normal({3, 4, channels}, "junk", type_of(mixer)) * scale;
    const at::Tensor behind = mixer.forward(at::cat({x, junk}, 1), at::cat({mask, none}, 1), {}).narrow(1, 0, 7);
    const at::Tensor before = mixer.forward(at::cat({junk, x}, 1), at::cat({none, mask}, 1), {}).narrow(1, 4, 7);
    EXPECT_LT(largest_difference(alone, behind), 1e-5 * rms(alone));
    EXPECT_LT(largest_difference(alone, before), 1e-5 * rms(alone));
  }
}

Draws same_draws() {
  RandomStream stream(1, "draws");
  return make_generator(at::kCPU, stream);
}

void expect_output_dropout(const Mixer& mixer, std::int64_t channels) {
  const at::NoGradGuard no_gradients;
  const at::Tensor x = normal({10, 20, channels}, "x", type_of(mixer)), mask = mask_of(x);
  const at::Tensor whole = mixer.forward(x, mask, {}), added = whole - x;
  EXPECT_TRUE(mixer.forward(x, mask, {}).equal(whole));
  const Draws draws = same_draws();
  const at::Tensor dropped = mixer.forward(x, mask, draws) - x, again = mixer.forward(x, mask, draws) - x;
  const at::Tensor kept = dropped.ne(0);
  EXPECT_NEAR(kept.to(at::kDouble).mean().item<double>(), 0.5, 2 / std::sqrt(200.0 * static_cast<double>(channels)));
  EXPECT_LT(largest_difference(dropped, added * 2 * kept), 1e-5 * rms(added));
  EXPECT_FALSE(again.ne(0).equal(kept));
}

void expect_goes_on(const Mixer& mixer, std::int64_t channels, std::int64_t volumes, double tolerance) {
  const at::NoGradGuard no_gradients;
  ASSERT_TRUE(mixer.has_recurrence());
  const at::Tensor x = normal({3, volumes, channels}, "x", type_of(mixer));
  const at::Tensor expected = mixer.forward(x, mask_of(x), {});
  for (const std::int64_t chunk : {volumes, std::int64_t{1}, std::int64_t{7}, std::int64_t{150}}) {
    SCOPED_TRACE("chunks of " + std::to_string(chunk));
    MixerState state = mixer.initial_state(3);
    std::vector<at::Tensor> parts;
    for (std::int64_t start = 0; start < volumes; start += chunk) {
      parts.push_back(mixer.advance(x.narrow(1, start, std::min(chunk, volumes - start)), state));
    }
    expect_is(at::cat(parts, 1) - x, expected - x, tolerance);
    std::int64_t bytes = 0;
    for (const at::Tensor& part : state) bytes += static_cast<std::int64_t>(part.numel() * part.element_size());
    EXPECT_EQ(bytes, 3 * mixer.state_bytes());
  }
}

}  // namespace noema
