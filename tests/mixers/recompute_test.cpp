// What is kept for gradients, and what is computed once more in its place.
#include "noema/mixers/recompute.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/fft_irfft.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/glu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <vector>

#include "mixer_checks.h"
#include "noema/mixers/gated_output.h"
#include "noema/mixers/long_conv.h"
#include "noema/tests/support/counting_allocator.h"

namespace noema {
namespace {

using Tensors = std::vector<at::Tensor>;

at::Tensor product(const Tensors& in) { return (in[0] * in[1]).tanh() * in[1].exp(); }

/// The value, the gradients in a and b, and those of their squares: b goes in, and is part of what goes in before it.
Tensors results_of(const std::function<at::Tensor(const Tensors&)>& body) {
  const at::Tensor a = normal({4, 3}, "a").requires_grad_(true), b = normal({4, 3}, "b").requires_grad_(true);
  const at::Tensor still = normal({4, 3}, "still");
  const at::Tensor y = body({a * b, b, still});
  const Tensors first = torch::autograd::grad({(y * still).sum()}, {a, b}, {}, std::nullopt, /*create_graph=*/true);
  const Tensors second = torch::autograd::grad({(first[0].square() + first[1].square()).sum()}, {a, b});
  return {y.detach(), first[0].detach(), first[1].detach(), second[0], second[1]};
}

TEST(Recomputed, IsTheBodyWithItsGradientsAndTheirs) {
  int calls = 0;
  const Tensors plain = results_of(product), again = results_of([&](const Tensors&inputs) {
                                               return recomputed(
                                                   [&calls](const Tensors& in) {
                                                     ++calls;
                                                     return product(in);
                                                   },
                                                   inputs);
                                             });
  EXPECT_EQ(calls, 2);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_GT(plain[i].abs().max().item<double>(), 0.1) << i;
    EXPECT_LT(largest_difference(plain[i], again[i]), 1e-12) << i;
  }
}

/// GLU(W·dropout(GELU(x)) + b), the operations one by one.
at::Tensor one_by_one(const at::Tensor& x, const Linear& linear, double p, const Draws& draws) {
  return at::glu(linear.forward(dropout(at::gelu(x), p, draws)), -1);
}

TEST(GatedOutput, IsTheOperationsOneByOneToTheBit) {
  constexpr double kDropout = 0.3;
  const at::Tensor weight = normal({5, 7, 6}, "weight", at::kFloat);
  const auto results = [&](const auto& function, const Draws& draws) {
    at::Generator generator = parameter_generator();
    const Linear linear(6, 12, generator);
    const at::Tensor x = normal({5, 7, 6}, "x", at::kFloat).requires_grad_(true);
    const at::Tensor y = function(x, linear, kDropout, draws);
    (y * weight).sum().backward();
    Tensors all{y.detach(), x.grad(), linear.parameters()[0].grad(), linear.parameters()[1].grad()};
    if (draws) all.push_back(at::ones({5}).normal_(0, 1, draws));  // what is drawn next
    return all;
  };
  for (const bool drawn : {false, true}) {
    const Tensors plain = results(one_by_one, drawn ? same_draws() : Draws());
    const Tensors ours = results(gated_output, drawn ? same_draws() : Draws());
    ASSERT_EQ(plain.size(), ours.size());
    for (std::size_t i = 0; i < plain.size(); ++i) {
      EXPECT_GT(plain[i].abs().max().item<double>(), 0) << i;
      EXPECT_EQ(largest_difference(plain[i], ours[i]), 0) << i;
    }
  }
}

/// The layer as LibTorch's operations alone make it.
at::Tensor composed(const LongConv& mixer, const at::Tensor& x, at::Generator& draws) {
  const std::int64_t volumes = x.size(1);
  const auto parameters = mixer.named_parameters();
  const auto of = [&](const char* name) { return parameters[name]; };
  const at::Tensor mean = x.mean(-1, true), centred = x - mean;
  const at::Tensor v = centred * (centred.square().mean(-1, true) + 1e-5).rsqrt() * of("norm.weight") + of("norm.bias");
  const at::Tensor spectrum = at::fft_rfft(v, 2 * volumes, 1) * at::fft_rfft(mixer.kernel(), 2 * volumes, 1).t();
  const at::Tensor mixed = at::fft_irfft(spectrum, 2 * volumes, 1).narrow(1, 0, volumes) + of("skip") * v;
  const at::Tensor active = dropout(at::gelu(mixed), 0.2, draws);
  return x + at::glu(active.matmul(of("output.weight").t()) + of("output.bias"), -1);
}

TEST(LongConv, KeepsAThirdOfTheMemoryOfLibTorchOrLess) {
  for (const auto& [volumes, channels] : {std::pair(256, 16), std::pair(200, 64)}) {
    at::Generator generator = parameter_generator(), draws = parameter_generator();
    const LongConv mixer({.channels = channels, .taps = volumes, .kernel_dropout = 0}, generator);
    const at::Tensor x = normal({4, volumes, channels}, "series", at::kFloat).requires_grad_(true);
    const at::Tensor mask = at::ones({4, volumes, 1});
    const std::int64_t of_libtorch = bytes_kept_by([&] { return composed(mixer, x, draws); });
    const std::int64_t of_ours = bytes_kept_by([&] { return mixer.forward(x, mask, draws); });
    EXPECT_GE(of_ours, static_cast<std::int64_t>(x.nbytes()));  // the result
    EXPECT_LE(3 * of_ours, of_libtorch);
    RecordProperty("bytes_of_libtorch", static_cast<int>(of_libtorch));
    RecordProperty("bytes_of_layer", static_cast<int>(of_ours));
  }
}

}  // namespace
}  // namespace noema
