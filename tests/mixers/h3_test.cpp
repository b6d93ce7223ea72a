#include "noema/mixers/h3.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "mixer_checks.h"
#include "noema/core/error.h"

namespace noema {
namespace {

H3 make(std::int64_t channels, std::int64_t head_size, std::int64_t modes = 4, std::int64_t shift_taps = 5) {
  H3Options options;
  options.channels = channels;
  options.head_size = head_size;
  options.shift_taps = shift_taps;
  options.state_space.modes = modes;
  at::Generator generator = parameter_generator();
  return H3(options, generator);
}

at::Tensor parameter(const H3& mixer, const char* name) { return mixer.named_parameters()[name].detach(); }

std::shared_ptr<KernelGenerator> child(const H3& mixer, const char* name) {
  return std::dynamic_pointer_cast<KernelGenerator>(mixer.named_children()[name]);
}

/// The formula of the description, by loops over volumes, heads and pairs.
at::Tensor written_out(const H3& mixer, const at::Tensor& x, std::int64_t d) {
  const std::int64_t channels = x.size(2), volumes = x.size(1);
  const at::Tensor v = at::layer_norm(x, {channels}, parameter(mixer, "norm.weight"), parameter(mixer, "norm.bias"));
  const auto qkv = at::linear(v, parameter(mixer, "input.weight"), parameter(mixer, "input.bias")).chunk(3, 2);
  const at::Tensor shifted = direct_causal(qkv[1], child(mixer, "shift_kernel")->taps(volumes).detach()) +
                             parameter(mixer, "shift_skip") * qkv[1];
  const at::Tensor kernel = child(mixer, "memory_kernel")->taps(volumes).detach(),
                   skip = parameter(mixer, "memory_skip");
  at::Tensor o = at::zeros_like(x);
  for (std::int64_t head = 0; head < channels / d; ++head) {
    for (std::int64_t i = 0; i < d; ++i) {
      for (std::int64_t j = 0; j < d; ++j) {
        const at::Tensor kv = shifted.select(2, head * d + i) * qkv[2].select(2, head * d + j);  // (B, T)
        const at::Tensor y = direct_causal(kv.unsqueeze(2), kernel.narrow(0, head, 1)).squeeze(2) + skip[head] * kv;
        o.select(2, head * d + j) += qkv[0].select(2, head * d + i) * y;
      }
    }
  }
  return x + at::linear(o, parameter(mixer, "output.weight"), parameter(mixer, "output.bias"));
}

TEST(H3, IsTheFormulaOfItsDescription) {
  for (const std::int64_t d : {1, 2, 8}) {
    for (const std::int64_t volumes : {1, 19}) {
      H3 mixer = make(8, d);
      const at::Tensor x = normal({3, volumes, 8}, "x");
      const at::Tensor single = mixer.forward(x.to(at::kFloat), at::ones({3, volumes, 1}), {}).detach();
      mixer.to(at::kDouble);
      const at::Tensor mask = at::ones({3, volumes, 1}, x.options());
      const at::Tensor expected = written_out(mixer, x, d);
      expect_is(mixer.forward(x, mask, {}).detach() - x, expected - x, 1e-10);
      expect_is(single.to(at::kDouble) - x, expected - x, 1e-5);
    }
  }
}

TEST(H3, GradientsMatchFiniteDifferences) {
  for (const std::int64_t d : {1, 2}) {
    H3 mixer = make(4, d, 2, 3);
    expect_exact_gradients(mixer, 4);
  }
}

TEST(H3, HoldsToWhatMixersPromise) {
  for (const std::int64_t d : {1, 3}) {
    const H3 mixer = make(9, d, 32, 64);
    expect_causal(mixer, 9);
    expect_padding_without_influence(mixer, 9);
    for (const std::int64_t volumes : {1, 12, 300}) expect_goes_on(mixer, 9, volumes, 1e-5);
    H3 exact = make(9, d, 32, 64);
    exact.to(at::kDouble);
    expect_goes_on(exact, 9, 300, 1e-10);
  }
}

TEST(H3, ReportsItsSize) {
  const H3 mixer = make(8, 2, 4, 5);
  const std::int64_t linear = 8 * 24 + 24 + 8 * 8 + 8, shift = 2 * 8 * 5, memory = 4 * (1 + 2 * 4 + 4 * 4);
  EXPECT_EQ(mixer.parameter_count(), 2 * 8 + linear + shift + memory + 8 + 4);
  EXPECT_EQ(mixer.state_bytes(), 8 * 4 * 4 + 2 * 2 * (4 * 4 * 8));
  EXPECT_GT(mixer.flops(64), 64 * 2 * 8 * 32);
  EXPECT_GT(mixer.flops(128), 1.9 * static_cast<double>(mixer.flops(64)));
  EXPECT_THROW(make(8, 3), UsageError);
  EXPECT_THROW(make(8, 2, 0), UsageError);
}

TEST(H3, SkipsStartNormal) {
  const H3 mixer = make(1500, 1, 1, 1);
  for (const char* name : {"shift_skip", "memory_skip"}) {
    EXPECT_NEAR(parameter(mixer, name).mean().item<double>(), 0, 0.08) << name;
    EXPECT_NEAR(parameter(mixer, name).std().item<double>(), 1, 0.06) << name;
  }
}

TEST(H3, DropsOutOnlyWithDraws) {
  H3Options options;
  options.channels = 4;
  options.dropout = 0.5;
  at::Generator generator = parameter_generator();
  expect_output_dropout(H3(options, generator), 4);
}

}  // namespace
}  // namespace noema
