#include "noema/mixers/recompute.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/fft_irfft.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/glu.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <vector>

#include "mixer_checks.h"
#include "noema/mixers/long_conv.h"
#include "noema/tests/support/counting_allocator.h"

namespace noema {
namespace {

constexpr std::int64_t kItems = 4, kVolumes = 256, kChannels = 16;

std::shared_ptr<const Mixer> made_mixer() {
  at::Generator generator = parameter_generator();
  LongConvOptions options{.channels = kChannels, .taps = kVolumes};
  return std::make_shared<const LongConv>(options, generator);
}

at::Tensor made_series() { return normal({kItems, kVolumes, kChannels}, "series", at::kFloat).requires_grad_(true); }

using Forward = std::function<at::Tensor(const std::shared_ptr<const Mixer>&, const at::Tensor&, const Draws&)>;

/// The result, the gradients in x and all parameters, and the next draws, of a fresh mixer.
std::vector<at::Tensor> results_of(const Forward& forward) {
  const auto mixer = made_mixer();
  const at::Tensor x = made_series();
  at::Generator draws = parameter_generator();
  const at::Tensor y = forward(mixer, x, draws);
  (y * normal(y.sizes(), "weight", at::kFloat)).sum().backward();
  std::vector<at::Tensor> results{y.detach(), x.grad()};
  for (const at::Tensor& parameter : mixer->parameters()) results.push_back(parameter.grad());
  results.push_back(at::ones({5}).normal_(0, 1, draws));
  return results;
}

TEST(Recomputed, IsForwardWithItsGradientsAndDraws) {
  const at::Tensor mask = at::ones({kItems, kVolumes, 1});
  const auto plain = results_of(
      [&](const auto& mixer, const at::Tensor& x, const Draws& draws) { return mixer->forward(x, mask, draws); });
  const auto again = results_of(
      [&](const auto& mixer, const at::Tensor& x, const Draws& draws) { return recomputed(mixer, x, mask, draws); });
  ASSERT_EQ(plain.size(), again.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    ASSERT_TRUE(again[i].defined()) << i;
    EXPECT_GT(plain[i].abs().max().item<double>(), 0) << i;
    EXPECT_EQ(largest_difference(plain[i], again[i]), 0) << i;
  }
}

/// The layer as LibTorch's operations alone make it, with the masks of dropout as they come.
at::Tensor composed(const LongConv& mixer, const at::Tensor& x, at::Generator& draws) {
  const auto parameters = mixer.named_parameters();
  const auto of = [&](const char* name) { return parameters[name]; };
  const at::Tensor mean = x.mean(-1, true), centred = x - mean;
  const at::Tensor v = centred * (centred.square().mean(-1, true) + 1e-5).rsqrt() * of("norm.weight") + of("norm.bias");
  const at::Tensor spectrum = at::fft_rfft(v, 2 * kVolumes, 1) * at::fft_rfft(mixer.kernel(), 2 * kVolumes, 1).t();
  const at::Tensor mixed = at::fft_irfft(spectrum, 2 * kVolumes, 1).narrow(1, 0, kVolumes) + of("skip") * v;
  const at::Tensor active = dropout(at::gelu(mixed), 0.2, draws);
  return x + at::glu(active.matmul(of("output.weight").t()) + of("output.bias"), -1);
}

TEST(Recomputed, KeepsAThirdOfTheMemoryOrLess) {
  const auto mixer = made_mixer();
  const at::Tensor x = made_series(), mask = at::ones({kItems, kVolumes, 1});
  at::Generator draws = parameter_generator();
  const std::int64_t of_libtorch =
      bytes_kept_by([&] { return composed(dynamic_cast<const LongConv&>(*mixer), x, draws); });
  const std::int64_t of_ours = bytes_kept_by([&] { return recomputed(mixer, x, mask, draws); });
  EXPECT_GE(of_ours, static_cast<std::int64_t>(x.nbytes()));  // the result
  EXPECT_LE(3 * of_ours, of_libtorch);
  RecordProperty("bytes_of_forward", static_cast<int>(bytes_kept_by([&] { return mixer->forward(x, mask, draws); })));
  RecordProperty("bytes_of_libtorch", static_cast<int>(of_libtorch));
  RecordProperty("bytes_recomputed", static_cast<int>(of_ours));
}

}  // namespace
}  // namespace noema
