// A denoiser that is learned: few mixtures of delayed confounds, trained on some simulated subjects so that functional
// connectivity no longer follows head motion, and judged on others beside the regression of 36 parameters, of the 32
// without the global signal, and of principal components of the same delayed confounds.
#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_cholesky.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "comparison.h"
#include "noema/connectomics/covariance.h"
#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/qc_fc.h"
#include "noema/connectomics/symmetric.h"
#include "noema/connectomics/unit_series.h"
#include "noema/learn/adamw.h"
#include "noema/learn/torch_settings.h"

namespace {

constexpr std::int64_t kSubjects = 100, kRegions = 24, kModules = 4, kFrames = 240, kArtefacts = 3, kDelays = 9;
constexpr double kStrength = 0.12;  // of artefacts
constexpr std::int64_t kRank = 12;  // of what the learned denoiser removes

struct Study {
  at::Tensor series;  // (B, R, T)
  /// (B, 36, T): nine signals (the last: the global one), their differences, the squares of both.
  at::Tensor confounds;
  at::Tensor motion_mm;  // (B): mean framewise displacement
  at::Tensor planted;    // (B, E): connectivity without artefacts
};

at::Tensor differences(const at::Tensor& x) {
  return at::cat({at::zeros({x.size(0), x.size(1), 1}, x.options()), x.diff(1, 2)}, 2);
}

/// dd1(x)^^2 as confound formulas have it.
at::Tensor expanded(const at::Tensor& signals) {
  const at::Tensor both = at::cat({signals, differences(signals)}, 1);
  return at::cat({both, both.square()}, 1);
}

/// What all subjects of the world share: how regions are connected, and how motion reaches them.
struct World {
  at::Tensor factor;   // (R, R): Cholesky factor of the planted correlations
  at::Tensor spread;   // (A, R): how strongly each artefact reaches each region
  at::Tensor sources;  // (A, 6): how much the squared speed of each motion parameter adds to it
  at::Tensor delays;   // (A, D): its response over the frames that follow
};

World world_of(std::uint64_t seed) {
  World world;
  at::Tensor loadings = at::zeros({kRegions, kModules}, at::kDouble);
  for (std::int64_t r = 0; r < kRegions; ++r) loadings[r][r % kModules] = 0.65;
  const at::Tensor shared = loadings.matmul(loadings.t()) + 0.06;
  world.factor = at::linalg_cholesky(shared - shared.diagonal().diag() + at::eye(kRegions, at::kDouble));
  world.spread = 0.6 + 0.5 * noema::normal_numbers({kArtefacts, kRegions}, seed, "spread");
  world.sources = noema::uniform_numbers({kArtefacts, 6}, seed, "sources");
  const at::Tensor delay = at::arange(kDelays, at::kDouble);
  std::vector<at::Tensor> responses;
  for (const double peak : {2.0, 4.0, 6.0}) responses.push_back((-(delay - peak).square() / 4).exp());
  world.delays = at::stack(responses);
  return world;
}

Study study_of(const World& world, std::uint64_t seed) {
  const at::Tensor size = (0.5 * noema::normal_numbers({kSubjects, 1, 1}, seed, "motion size")).exp();
  const at::Tensor jerks = (noema::uniform_numbers({kSubjects, 1, kFrames}, seed, "jerks") < 0.05).to(at::kDouble);
  const at::Tensor speed =
      0.1 * size * (0.4 + 1.6 * jerks) * noema::normal_numbers({kSubjects, 6, kFrames}, seed, "speed");
  const at::Tensor motion = speed.cumsum(2) - speed.cumsum(2).mean(2, true);
  Study study;
  study.motion_mm = at::abs(speed).sum(1).mean(1);
  const at::Tensor causes = at::einsum("ak,bkt->bat", {world.sources, (speed * 10).square()});
  const at::Tensor artefacts =
      at::conv1d(at::cat({at::zeros({kSubjects, kArtefacts, kDelays - 1}, at::kDouble), causes}, 2),
                 world.delays.flip(1).unsqueeze(1), at::Tensor(), at::IntArrayRef{1}, at::IntArrayRef{0},
                 at::IntArrayRef{1}, kArtefacts);
  const at::Tensor neural =
      at::einsum("rq,bqt->brt", {world.factor, noema::normal_numbers({kSubjects, kRegions, kFrames}, seed, "neural")});
  study.planted = noema::pack_symmetric(noema::correlation(neural));
  study.series = neural + kStrength * at::einsum("ar,bat->brt", {world.spread, artefacts});
  const at::Tensor tissue =
      noema::normal_numbers({kSubjects, 2, kFrames}, seed, "tissue") +
      kStrength *
          at::einsum("ja,bat->bjt", {noema::uniform_numbers({2, kArtefacts}, seed, "tissue weights"), artefacts});
  study.confounds = expanded(at::cat({motion, tissue, study.series.mean(1, true)}, 1));
  return study;
}

/// With D − 1 frames of zeros in front.
at::Tensor padded(const at::Tensor& confounds) {
  return at::cat({at::zeros({confounds.size(0), confounds.size(1), kDelays - 1}, confounds.options()), confounds}, 2);
}

/// Mixtures (B, M, T) of confounds at 0 to D − 1 frames before.
at::Tensor mixtures(const at::Tensor& confounds, const at::Tensor& weights) {
  return at::conv1d(padded(confounds), weights);
}

at::Tensor without_global_signal(const at::Tensor& confounds) {
  const at::Tensor kept = at::arange(confounds.size(1)).reshape({4, -1}).slice(1, 0, -1);
  return confounds.index_select(1, kept.flatten());
}

/// Series (B, count, T): of each subject the first principal components of its confounds (B, K, T) at 0 to D − 1 frames
/// before, each scaled to norm 1.
at::Tensor delayed_components(const at::Tensor& confounds, std::int64_t count) {
  const at::Tensor longer = padded(confounds);
  std::vector<at::Tensor> delayed;
  for (std::int64_t d = 0; d < kDelays; ++d) delayed.push_back(longer.slice(2, d, d + kFrames));
  const at::Tensor unit = noema::unit_series(at::cat(delayed, 1));
  const auto [values, vectors] = at::linalg_eigh(unit.transpose(1, 2).matmul(unit));  // the largest are the last
  return vectors.transpose(1, 2).slice(1, kFrames - count);
}

at::Tensor connectivity(const at::Tensor& series, const at::Tensor& confounds) {
  return noema::pack_symmetric(noema::conditional_correlation(series, confounds));
}

/// (M, 36, D): trained so that connectivity does not follow motion over the subjects.
at::Tensor learned_weights(const Study& study, const at::Tensor& confounds, std::uint64_t seed) {
  at::Tensor weights =
      (noema::normal_numbers({kRank, confounds.size(1), kDelays}, seed, "weights") / 18).set_requires_grad(true);
  noema::AdamW optimiser({{.name = "weights", .tensor = weights}}, 0);
  const int steps = 200;
  for (int step = 0; step < steps; ++step) {
    const at::Tensor removed = mixtures(confounds, weights);
    const at::Tensor covariance = noema::conditional_covariance(study.series, removed);
    const at::Tensor edges = noema::pack_symmetric(noema::correlation_from_covariance(covariance));
    const at::Tensor follows = noema::qc_fc(edges, study.motion_mm).square().mean();
    // The variance that is left: keeps the search among mixtures that explain something.
    const at::Tensor left = (covariance.diagonal(0, 1, 2) / study.series.var(2)).mean();
    const at::Tensor loss = follows + 0.1 * left;
    optimiser.clear_gradients();
    loss.backward();
    optimiser.step(0.03);
  }
  return weights.detach();
}

void compare(const std::filesystem::path& folder) {
  const noema::OneTorchThread one;  // the arrays are small
  const std::vector<std::string> methods{"nothing removed",
                                         "36 parameters",
                                         "32 parameters, without the global signal",
                                         "12 components of the 36, delayed",
                                         "36 components of the 36, delayed",
                                         "12 components of the 32, delayed",
                                         "36 components of the 32, delayed",
                                         "learned, rank 12 of the 32, delayed"};
  std::vector<noema::ComparisonRow> follows, alike, error;
  for (const std::string& method : methods) {
    follows.push_back({method, {}});
    alike.push_back({method, {}});
    error.push_back({method, {}});
  }
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const World world = world_of(seed);
    const Study train = study_of(world, 100 * seed), test = study_of(world, 100 * seed + 1);
    const at::Tensor trained = without_global_signal(train.confounds), fewer = without_global_signal(test.confounds);
    const at::Tensor scale = trained.square().mean(at::IntArrayRef{0, 2}, true).sqrt();
    const at::Tensor weights = learned_weights(train, trained / scale, seed);
    const std::vector<at::Tensor> found{noema::pack_symmetric(noema::correlation(test.series)),
                                        connectivity(test.series, test.confounds),
                                        connectivity(test.series, fewer),
                                        connectivity(test.series, delayed_components(test.confounds, kRank)),
                                        connectivity(test.series, delayed_components(test.confounds, 36)),
                                        connectivity(test.series, delayed_components(fewer, kRank)),
                                        connectivity(test.series, delayed_components(fewer, 36)),
                                        connectivity(test.series, mixtures(fewer / scale, weights))};
    for (std::size_t i = 0; i < found.size(); ++i) {
      follows[i].values.push_back(noema::qc_fc(found[i], test.motion_mm).abs().median().item<double>());
      alike[i].values.push_back(
          noema::cross_correlation(found[i].unsqueeze(1), test.planted.unsqueeze(1)).mean().item<double>());
      error[i].values.push_back((found[i] - test.planted).square().mean(1).sqrt().mean().item<double>());
    }
  }
  fmt::print("{} subjects: median |QC-FC| is about {:.3f} where nothing follows motion\n", kSubjects,
             0.6745 / std::sqrt(static_cast<double>(kSubjects - 1)));
  noema::print_comparison("median |QC-FC| of held-out subjects", follows);
  noema::print_comparison("correlation with the planted connectivity, mean over subjects", alike);
  noema::print_comparison("root mean square error of connectivity, mean over subjects", error);
  noema::write_figure(
      folder / "denoising.svg",
      {noema::comparison_plot("QC-FC of held-out subjects", "median |correlation| with motion", follows),
       noema::comparison_plot("Planted connectivity", "correlation with what was found", alike)});
}

}  // namespace

int main(int argc, char** argv) { return noema::run_example(argc, argv, compare); }
