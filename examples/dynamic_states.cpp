// Six states of connectivity that 100 subjects go through in 1,200 frames, each for nine frames on average: k-means of
// correlations and of covariances of sliding windows of several lengths, and hidden Markov states. The data are made by
// such a chain (without means, each state's duration geometric), so the learned model is the true one.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "comparison.h"
#include "noema/connectomics/covariance.h"
#include "noema/connectomics/dynamic_states.h"
#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/k_means.h"
#include "noema/connectomics/symmetric.h"
#include "noema/core/random.h"
#include "noema/learn/torch_settings.h"
#include "noema/report/plots.h"

namespace {

constexpr std::int64_t kStates = 6, kSubjects = 100, kFrames = 1200, kRegions = 16, kRank = 3;
constexpr std::uint64_t kDataSets = 3;
constexpr double kStay = 0.885;  // a state lasts 9 frames on average
constexpr double kNoise = 1.26;  // standard deviation in each region, where the states' series have 1 on average

constexpr int kStarts = 10;  // of k-means
/// Subjects whose windows k-means clusters (thousands of windows); those of all then go to the nearest centre.
constexpr std::int64_t kClustered = 20;

struct Data {
  at::Tensor series;  // (B, R, T)
  at::Tensor states;  // (B, T) int64
};

at::Tensor paths(std::uint64_t seed) {
  at::Tensor states = at::empty({kSubjects, kFrames}, at::kLong);
  auto* state = states.mutable_data_ptr<std::int64_t>();
  for (std::int64_t subject = 0; subject < kSubjects; ++subject) {
    noema::RandomStream random(seed, "paths", {static_cast<std::uint64_t>(subject)});
    auto now = static_cast<std::int64_t>(random.below(kStates));
    for (std::int64_t t = 0; t < kFrames; ++t) {
      if (random.uniform() > kStay) now = (now + 1 + static_cast<std::int64_t>(random.below(kStates - 1))) % kStates;
      state[subject * kFrames + t] = now;
    }
  }
  return states;
}

/// Each state is a pattern of connectivity of rank 3 over all regions, and noise on top.
Data simulated(std::uint64_t seed) {
  Data data;
  data.states = paths(seed);
  at::Tensor loadings = noema::normal_numbers({kStates, kRegions, kRank}, seed, "loadings");
  loadings = loadings / loadings.square().sum(2, true).mean(1, true).sqrt();
  const at::Tensor sources = noema::normal_numbers({kSubjects, kFrames, kRank}, seed, "sources");
  const at::Tensor own = loadings.index_select(0, data.states.flatten()).reshape({kSubjects, kFrames, kRegions, kRank});
  const at::Tensor signal = at::einsum("btrk,btk->brt", {own, sources});
  data.series = signal + kNoise * noema::normal_numbers({kSubjects, kRegions, kFrames}, seed, "noise");
  return data;
}

using Connectivity = std::function<at::Tensor(const at::Tensor&)>;

/// Mean over subjects and states of the correlation of time courses (B, T, K) with the planted ones, states matched.
double recovered(const at::Tensor& courses, const at::Tensor& states) {
  const at::Tensor truth = at::one_hot(states, kStates).to(at::kDouble);
  const at::Tensor both =
      noema::cross_correlation(truth.transpose(1, 2), courses.transpose(1, 2).to(at::kDouble)).mean(0);
  std::array<std::int64_t, kStates> order{};
  std::iota(order.begin(), order.end(), 0);
  double best = -1;
  do {
    double sum = 0;
    for (std::int64_t k = 0; k < kStates; ++k) sum += both[k][order[static_cast<std::size_t>(k)]].item<double>();
    best = std::max(best, sum / kStates);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

/// (B, T, K): the share of the windows over a frame that k-means of their connectivity gives to each state.
at::Tensor window_courses(const at::Tensor& series, std::int64_t length, Connectivity connectivity) {
  const std::int64_t step = std::max<std::int64_t>(2, length / 5);
  const at::Tensor windows = series.unfold(2, length, step).transpose(1, 2);  // (B, W, R, length)
  const at::Tensor points = connectivity(windows).to(at::kFloat);             // (B, W, L)
  const at::Tensor centres =
      noema::k_means(points.slice(0, 0, kClustered).flatten(0, 1), {.clusters = kStates, .starts = kStarts}).centres;
  const at::Tensor all = points.flatten(0, 1);
  const at::Tensor labels = (centres.square().sum(1) - 2 * all.matmul(centres.t())).argmin(1);
  const at::Tensor hard = at::one_hot(labels, kStates).to(at::kDouble).reshape({series.size(0), -1, kStates});
  const at::Tensor covers = noema::window_weights(kFrames, {.length = length, .step = step}, at::kDouble).t() > 0;
  return covers.to(at::kDouble).matmul(hard) / covers.sum(1, true).clamp_min(1);
}

/// Of one subject: the planted course of its first state beside the two estimates.
std::string course_plot(const at::Tensor& states, const at::Tensor& windows, const at::Tensor& hidden) {
  const std::int64_t shown = 150, state = states[0][0].item<std::int64_t>();
  const at::Tensor truth = (states[0] == state).to(at::kDouble);
  const auto curve = [&](const char* name, const at::Tensor& course, int color) {
    noema::Curve result{.name = name, .x = {}, .y = {}, .color = color};
    for (std::int64_t t = 0; t < shown; ++t) {
      result.x.push_back(static_cast<double>(t));
      result.y.push_back(course[t].item<double>());
    }
    return result;
  };
  const auto nearest = [&](const at::Tensor& courses) {  // the estimate that follows it best
    const at::Tensor alike = noema::cross_correlation(truth.unsqueeze(0), courses.t());
    return courses.select(1, alike.argmax().item<std::int64_t>());
  };
  return noema::curve_plot(
      {curve("planted", truth, 6), curve("windows", nearest(windows), 1),
       curve("hidden Markov states", nearest(hidden), 0)},
      {.title = "One state of one subject", .x_label = "frame", .y_label = "probability", .width = 980});
}

void compare(const std::filesystem::path& folder) {
  const noema::OneTorchThread one;  // the arrays of a frame are small
  const std::vector<std::int64_t> lengths{6, 8, 12, 20};
  const std::vector<std::pair<const char*, Connectivity>> kinds{
      {"correlations", [](const at::Tensor& windows) { return noema::pack_symmetric(noema::correlation(windows)); }},
      {"covariances", [](const at::Tensor& windows) {
         return noema::pack_symmetric(noema::covariance(windows), noema::PackedDiagonal::kept);
       }}};
  std::vector<noema::ComparisonRow> rows;
  for (const auto& [kind, connectivity] : kinds) {
    for (const std::int64_t length : lengths)
      rows.push_back({fmt::format("k-means of {} of windows of {} frames", kind, length), {}});
  }
  noema::ComparisonRow chain{"hidden Markov states", {}};
  std::string courses_of_one;
  for (std::uint64_t seed = 1; seed <= kDataSets; ++seed) {
    const Data data = simulated(seed);
    at::Tensor windows;
    std::size_t row = 0;
    for (const auto& [kind, connectivity] : kinds) {
      for (const std::int64_t length : lengths) {
        const at::Tensor courses = window_courses(data.series, length, connectivity);
        if (length == 8 && !windows.defined()) windows = courses[0];
        rows[row++].values.push_back(recovered(courses, data.states));
      }
    }
    const noema::HiddenStates states =
        noema::fit_hidden_states(data.series, {.states = kStates, .iterations = 40, .starts = 1});
    const at::Tensor courses = noema::state_posterior(states, data.series).probability;
    chain.values.push_back(recovered(courses, data.states));
    if (seed == 1) courses_of_one = course_plot(data.states, windows, courses[0]);
  }
  rows.push_back(chain);
  fmt::print("The data are made by a hidden Markov chain: the learned model is the true one.\n");
  fmt::print("{} states, {} subjects, {} frames of {} regions\n", kStates, kSubjects, kFrames, kRegions);
  noema::print_comparison("correlation of the states' time courses with the planted ones", rows);
  noema::write_figure(
      folder / "dynamic_states.svg",
      {noema::comparison_plot("Dynamic states", "correlation of time courses with the planted ones", rows),
       courses_of_one});
}

}  // namespace

int main(int argc, char** argv) { return noema::run_example(argc, argv, compare); }
