// Filters over frequencies and in time: scipy's numbers, direct sums, gradients, stability.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numbers>

#include "gradient_check.h"
#include "noema/connectomics/frequency_filter.h"
#include "noema/connectomics/recursive_filter.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using std::numbers::pi;
using testing::HasSubstr;

at::Tensor numbers_of(std::vector<double> values) { return at::tensor(values, at::kDouble); }

/// Circular convolution with the response's impulse response, by the sums of the definition.
at::Tensor direct_filter(const at::Tensor& x, const at::Tensor& response) {
  const std::int64_t frames = x.numel(), size = response.numel();
  at::Tensor y = at::zeros({frames}, at::kDouble);
  for (std::int64_t t = 0; t < frames; ++t) {
    double sum = 0;
    for (std::int64_t u = 0; u < frames; ++u) {
      double kernel = 0;
      for (std::int64_t k = 0; k < frames; ++k) {
        const std::int64_t folded = k < size ? k : frames - k;
        kernel += response[folded].item<double>() *
                  std::cos(2 * pi * static_cast<double>(k * (t - u)) / static_cast<double>(frames));
      }
      sum += kernel / static_cast<double>(frames) * x[u].item<double>();
    }
    y[t] = sum;
  }
  return y;
}

TEST(FrequencyFilter, IsTheResponseOnce) {
  for (const std::int64_t frames : {16, 17}) {
    const at::Tensor x = made_up({2, frames});
    const std::int64_t size = response_size(frames);
    const at::Tensor ones = at::ones({size}, at::kDouble);
    EXPECT_LT(largest_difference(frequency_filter(x, ones), x), 1e-12);
    EXPECT_LT(largest_difference(frequency_filter(x, 0.5 * ones), 0.5 * x), 1e-12);  // an attenuation, not its square
    const at::Tensor response = made_up({size}, 3);
    EXPECT_LT(largest_difference(frequency_filter(x, response)[1], direct_filter(x[1], response)), 1e-12);
  }
}

TEST(FrequencyFilter, ManyFiltersAndComplexResponses) {
  const at::Tensor x = made_up({3, 4, 12});
  const at::Tensor responses = made_up({2, 7}, 3);
  const at::Tensor y = frequency_filter(x, responses);
  EXPECT_EQ(y.sizes().vec(), (std::vector<std::int64_t>{3, 2, 4, 12}));
  EXPECT_LT(largest_difference(y.select(1, 1), frequency_filter(x, responses[1])), 1e-13);
  // A delay of two frames is a phase.
  const at::Tensor angle = -2 * 2 * pi / 12 * at::arange(7, at::kDouble);
  const at::Tensor delayed = frequency_filter(x, at::complex(at::cos(angle), at::sin(angle)));
  EXPECT_LT(largest_difference(delayed, x.roll(2, -1)), 1e-12);
  EXPECT_LT(gradient_error([](const auto& in) { return frequency_filter(in[0], in[1]); }, {x[0], responses}), 1e-8);
  EXPECT_LT(gradient_error([](const auto& in) { return frequency_filter(in[0], in[1], EdgePadding::odd, 3); },
                           {x[0], made_up({10})}),
            1e-8);
  EXPECT_EQ(frequency_filter(x.to(at::kFloat), responses.to(at::kFloat)).scalar_type(), at::kFloat);
}

TEST(FrequencyFilter, EdgesKeepEndsApart) {
  // A step between the two ends leaks through a circular filter; with reflected edges a line stays a line inside.
  const at::Tensor line = at::arange(60, at::kDouble).unsqueeze(0);
  const auto low_pass = [](std::int64_t size) {
    return ideal_response({std::nullopt, 0.1}, 1, size, at::TensorOptions(at::kDouble));
  };
  const at::Tensor round_and_round = frequency_filter(line, low_pass(31));
  const at::Tensor odd = frequency_filter(line, low_pass(response_size(60, 40)), EdgePadding::odd, 40);
  EXPECT_GT(largest_difference(round_and_round, line), 20);
  EXPECT_LT(largest_difference(odd, line), 3);
  const at::Tensor constant = at::ones({1, 20}, at::kDouble);
  EXPECT_LT(
      largest_difference(frequency_filter(constant, low_pass(response_size(20, 5)), EdgePadding::even, 5), constant),
      1e-12);
  EXPECT_GT(
      largest_difference(frequency_filter(constant, low_pass(response_size(20, 5)), EdgePadding::zeros, 5), constant),
      0.1);
}

TEST(FrequencyFilter, ResponsesAreInHertz) {
  const at::TensorOptions options(at::kDouble);
  const at::Tensor frequency = response_frequencies(51, 0.72, options);
  EXPECT_NEAR(frequency[50].item<double>(), 1 / (2 * 0.72), 1e-15);
  const at::Tensor ideal = ideal_response({0.01, 0.1}, 2, 26, options);  // bins of 0.01 Hz, both ends inside
  EXPECT_EQ(ideal.sum().item<double>(), 10);
  EXPECT_EQ(ideal[1].item<double>(), 1);
  EXPECT_EQ(ideal[10].item<double>(), 1);
  // Butterworth of order 5: |H|² = 1 / (1 + (tan(πf·tr) / tan(πf_c·tr))^10).
  const at::Tensor low = butterworth_response({std::nullopt, 0.08}, 2, 41, options);
  for (const std::int64_t bin : {0, 5, 13, 20, 35}) {
    const double f = 0.25 * static_cast<double>(bin) / 40;
    const double expected = 1 / (1 + std::pow(std::tan(pi * f * 2) / std::tan(pi * 0.08 * 2), 10));
    EXPECT_NEAR(low[bin].item<double>(), std::sqrt(expected), 1e-10);
  }
  // A band-pass has |H|² = 1 / (1 + ((Ω² − Ω₁Ω₂) / (Ω (Ω₂ − Ω₁)))^10) with Ω = tan(πf·tr).
  const at::Tensor band = butterworth_response({0.01, 0.1}, 2, 41, options);
  for (const std::int64_t bin : {1, 2, 5, 16, 17, 30}) {
    const double w = std::tan(pi * 0.5 * static_cast<double>(bin) / 40), first = std::tan(pi * 0.02),
                 last = std::tan(pi * 0.2);
    const double detuned = (w * w - first * last) / (w * (last - first));
    EXPECT_NEAR(band[bin].item<double>(), 1 / std::sqrt(1 + std::pow(detuned, 10)), 1e-10) << bin;
  }
  const std::vector<Clamp> clamps{{0.0, 0.0}, {0.1, 0.25}};
  at::Tensor leaf = at::ones({26}, at::kDouble).set_requires_grad(true);
  const at::Tensor clamped = clamp_response(leaf, clamps, 2);
  EXPECT_EQ(clamped[0].item<double>(), 0);
  EXPECT_EQ(clamped[10].item<double>(), 0.25);  // the bin of the band's end, not one at half its frequency
  EXPECT_EQ(clamped.sum().item<double>(), 24.25);
  const at::Tensor gradient = torch::autograd::grad({clamped.sum()}, {leaf})[0];
  EXPECT_EQ(gradient[10].item<double>(), 0);
  EXPECT_EQ(gradient.sum().item<double>(), 24);
  EXPECT_THROW(clamp_response(leaf, std::vector<Clamp>{{0.3, 1}}, 2), UsageError);
}

TEST(FrequencyFilter, AnalyticSignalAndPhase) {
  for (const std::int64_t frames : {40, 41}) {
    const at::Tensor phase = 2 * pi * 5 / static_cast<double>(frames) * at::arange(frames, at::kDouble) + 0.3;
    const at::Tensor signal = analytic_signal(3 * at::cos(phase));
    EXPECT_LT(largest_difference(at::real(signal), 3 * at::cos(phase)), 1e-12);
    EXPECT_LT(largest_difference(at::imag(signal), 3 * at::sin(phase)), 1e-12);
    EXPECT_LT(largest_difference(envelope(3 * at::cos(phase)), at::full({frames}, 3.0, at::kDouble)), 1e-12);
    EXPECT_LT(largest_difference(unwrap(at::angle(signal), 2 * pi), phase), 1e-10);
  }
  EXPECT_TRUE(unwrap(numbers_of({0, 1, 2, -1, 0}), 4).equal(numbers_of({0, 1, 2, 3, 4})));
  EXPECT_LT(gradient_error([](const auto& in) { return envelope(in[0]); }, {made_up({2, 9})}), 1e-7);
  const auto parts = [](const std::vector<at::Tensor>& in) { return at::view_as_real(analytic_signal(in[0])); };
  EXPECT_LT(gradient_error(parts, {made_up({2, 8})}), 1e-8);
  at::Tensor silent = at::zeros({2, 9}, at::kDouble).set_requires_grad(true);
  EXPECT_EQ(torch::autograd::grad({envelope(silent).sum()}, {silent})[0].abs().max().item<double>(), 0);
}

TEST(FrequencyFilter, SaysWhatIsWrong) {
  try {
    frequency_filter(made_up({2, 16}), made_up({8}));
    FAIL();
  } catch (const ShapeError& error) {
    EXPECT_THAT(error.what(), HasSubstr("found shape (8), expected 9"));
  }
  EXPECT_THROW(frequency_filter(made_up({2, 4}), made_up({8}), EdgePadding::odd, 5), UsageError);
  EXPECT_THROW(frequency_filter(made_up({2, 0}), made_up({1})), ShapeError);
}

at::Tensor wave() {
  const at::Tensor t = at::arange(24, at::kDouble);
  return at::sin(t * 0.9) + 0.1 * t;
}

/// scipy.signal.butter(2, [.1, .3], 'bandpass', output='sos') and butter(3, .2, output='sos') without a0.
at::Tensor band_pass() {
  return numbers_of({0.06745527388907191, 0.13491054777814382, 0.06745527388907191, -1.0246612719312358,
                     0.5441183540527813, 1.0, -2.0, 1.0, -1.6489176331890314, 0.7586614107417984})
      .reshape({2, 5});
}
at::Tensor low_pass_of_odd_order() {
  return numbers_of({0.018098933007514428, 0.036197866015028855, 0.018098933007514428, -0.5095254494944288, 0.0, 1.0,
                     1.0, 0.0, -1.2505164308487402, 0.5457233155094579})
      .reshape({2, 5});
}

TEST(RecursiveFilter, NumbersOfScipy) {
  const at::Tensor at_frames = at::tensor({0, 1, 7, 23}, at::kLong);
  const auto picked = [&](const at::Tensor& y) { return y.index_select(0, at_frames); };
  // scipy.signal.sosfilt and sosfiltfilt of sin(0.9·t) + 0.1·t, t = 0 … 23, at frames 0, 1, 7 and 23.
  EXPECT_LT(largest_difference(picked(sos_filter(wave(), band_pass())),
                               numbers_of({0., 0.0595850586225094, -0.629864643631378, 0.3185751908714227})),
            1e-13);
  EXPECT_LT(largest_difference(picked(sos_filter(wave(), low_pass_of_odd_order())),
                               numbers_of({0., 0.0159872745610826, 0.3762210772397487, 1.7062223759171302})),
            1e-13);
  EXPECT_LT(
      largest_difference(picked(zero_phase_filter(wave(), band_pass())),
                         numbers_of({-0.0226162275575504, 0.4521962343880436, 0.0111123987873665, 0.0413339615069578})),
      1e-12);
  EXPECT_LT(
      largest_difference(picked(zero_phase_filter(wave(), low_pass_of_odd_order())),
                         numbers_of({0.0052705080314839, 0.1665782495000099, 0.6960589883199857, 3.2519011420441957})),
      1e-12);
  // In batches as alone.
  const at::Tensor batch = at::stack({wave(), made_up({24})}).unsqueeze(1);
  EXPECT_LT(
      largest_difference(zero_phase_filter(batch, band_pass())[1][0], zero_phase_filter(made_up({24}), band_pass())),
      1e-15);
  EXPECT_LT(largest_difference(sos_filter(wave().to(at::kFloat), band_pass()), sos_filter(wave(), band_pass())), 1e-5);
}

TEST(RecursiveFilter, GradientsOfBothOrders) {
  const at::Tensor x = made_up({2, 20}), a = numbers_of({-0.4, 0.2, 0.1});
  const auto recursion = [](const std::vector<at::Tensor>& in) { return all_pole_filter(in[0], in[1]); };
  EXPECT_LT(gradient_error(recursion, {x, a}), 1e-8);
  EXPECT_LT(gradient_error([](const auto& in) { return sos_filter(in[0], in[1]); }, {x, band_pass()}), 1e-7);
  EXPECT_LT(gradient_error([](const auto& in) { return zero_phase_filter(in[0], in[1]); }, {x, band_pass()}), 1e-7);
  EXPECT_LT(gradient_error(recursion, {made_up({3, 1}), a}), 1e-8);  // one frame, fewer than the order
  // Second order: the gradient in the coefficients is itself differentiated.
  const auto slope = [&](const std::vector<at::Tensor>& in) {
    const at::Tensor coefficients = in[1].requires_grad() ? in[1] : in[1].clone().set_requires_grad(true);
    const at::Tensor y = recursion({in[0], coefficients});
    return torch::autograd::grad({(y * y).sum()}, {coefficients}, {}, true, true)[0];
  };
  EXPECT_LT(gradient_error(slope, {x, a}), 1e-6);
}

TEST(RecursiveFilter, ReflectionCoefficientsKeepPolesInside) {
  const at::Tensor k = numbers_of({0.9, -0.8, 0.7, -0.95, 0.3});
  const at::Tensor a = denominator_from_reflection(k);
  EXPECT_LT(largest_difference(reflection_from_denominator(a), k), 1e-10);
  at::Tensor companion = at::zeros({5, 5}, at::kDouble);
  companion.slice(0, 1).slice(1, 0, 4).copy_(at::eye(4, at::kDouble));
  companion[0] = -a;
  EXPECT_LT(at::linalg_eigvals(companion).abs().max().item<double>(), 1);
  // Two coefficients: a1 = k1·(1 + k2), a2 = k2.
  EXPECT_LT(largest_difference(denominator_from_reflection(numbers_of({0.5, -0.2})), numbers_of({0.4, -0.2})), 1e-15);
  EXPECT_LT(gradient_error([](const auto& in) { return denominator_from_reflection(in[0]); }, {k}), 1e-8);
  EXPECT_THROW(reflection_from_denominator(numbers_of({-2.1, 1.2})), NumericalError);

  EXPECT_LT(largest_difference(stable_sections(free_sections(band_pass())), band_pass()), 1e-12);
  // Bands that are low for a fast scanner: poles near the circle come back as they were, or are refused.
  for (const auto& [low, tr_s] : {std::pair{0.005, 0.5}, std::pair{0.008, 0.4}}) {
    const Butterworth design({low, 0.1}, tr_s);
    const at::Tensor fast = section_tensor(design.sections(), at::TensorOptions(at::kDouble));
    EXPECT_GT(reflection_from_denominator(fast.slice(1, 3, 5)).abs().max().item<double>(), 0.9997);
    EXPECT_LT(largest_difference(stable_sections(free_sections(fast)), fast), 1e-12);
    const at::Tensor single = stable_sections(free_sections(fast).to(at::kFloat)).to(at::kDouble);
    EXPECT_LT((section_response(single, 400).abs() - section_response(fast, 400).abs()).abs().max().item<double>(),
              0.02);
  }
  EXPECT_THROW(free_sections(numbers_of({1, 0, 0, -0.99999975, 0.9999995}).unsqueeze(0)), NumericalError);
  const at::Tensor wild = stable_sections(1e6 * made_up({3, 5}));
  const at::Tensor pulse = at::constant_pad_nd(at::ones({1}, at::kDouble), {0, 3000});
  EXPECT_TRUE(sos_filter(pulse, wild).isfinite().all().item<bool>());
  EXPECT_LT(gradient_error([](const auto& in) { return sos_filter(made_up({12}), stable_sections(in[0])); },
                           {made_up({2, 5})}),
            1e-7);
}

TEST(RecursiveFilter, ResponseIsTheTransformOfTheImpulse) {
  const at::Tensor pulse = at::constant_pad_nd(at::ones({1}, at::kDouble), {0, 1023});
  const at::Tensor measured = at::fft_rfft(sos_filter(pulse, band_pass()));
  EXPECT_LT((section_response(band_pass(), 513) - measured).abs().max().item<double>(), 1e-10);
  EXPECT_LT(gradient_error([](const auto& in) { return section_response(in[0], 5).abs(); }, {band_pass()}), 1e-6);
}

TEST(RecursiveFilter, SaysWhatIsWrong) {
  EXPECT_THROW(sos_filter(wave(), made_up({2, 6})), ShapeError);
  EXPECT_THROW(all_pole_filter(wave(), made_up({2, 2})), ShapeError);
  try {
    zero_phase_filter(wave().slice(0, 0, 15), band_pass());
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("found 15 frames, expected more than the 15"));
  }
}

}  // namespace
}  // namespace noema
