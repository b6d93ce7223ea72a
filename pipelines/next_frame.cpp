#include "noema/pipelines/next_frame.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/stack.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <mutex>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/parallel.h"
#include "noema/core/progress.h"
#include "noema/decoders/linear_autoregression.h"
#include "noema/decoders/sequence_model.h"
#include "noema/learn/torch_settings.h"
#include "noema/pipelines/bench_mixers.h"
#include "noema/pipelines/seed_scores.h"

namespace noema {
namespace {

/// Where it stands among the predictors: behind what needs no learning.
constexpr std::size_t kAutoregression = 2;

/// For sixty subjects are few: 0.3 was better than 0.1 in the study of seed 0, and 0.45 than 0.3 in that of seed 10.
constexpr double kDropout = 0.45;

/// Runs of equal length, (N, T, R), in SDs of the training runs (those held in among them) around their means. A run's
/// own mean and SD are not used: they would tell of its future.
struct Study {
  at::Tensor training, held_in, held_out;
  double noise_floor = 0;  // of those held out
};

at::Tensor tensor_of_runs(const std::vector<RegionRun>& runs, int first, int end) {
  std::vector<at::Tensor> tensors;
  for (const RegionRun& run : runs) {
    if (run.subject < first || run.subject >= end) continue;
    tensors.push_back(at::from_blob(const_cast<float*>(run.series.data()), {run.series.rows(), run.series.cols()},
                                    at::TensorOptions(at::kFloat))
                          .clone());
  }
  return at::stack(tensors);
}

Study make_study(const NextFrameOptions& options, std::uint64_t seed) {
  RegionSeriesOptions series = options.series;
  series.study.seed = seed;
  const std::vector<RegionRun> runs = simulate_region_series(series);
  const int subjects = series.study.subjects, fifth = subjects / 5;
  const at::Tensor known = tensor_of_runs(runs, 0, subjects - fifth).flatten(0, 1);  // (N·T, R)
  const at::Tensor mean = known.mean(0), sd = known.std(0);
  const auto scaled = [&](int first, int end) { return (tensor_of_runs(runs, first, end) - mean) / sd; };
  Study study{scaled(0, subjects - 2 * fifth), scaled(subjects - 2 * fifth, subjects - fifth),
              scaled(subjects - fifth, subjects)};
  for (const RegionRun& run : runs) {
    if (run.subject < subjects - fifth) continue;
    double floor = 0;
    for (Eigen::Index r = 0; r < run.noise_floor.size(); ++r) floor += run.noise_floor(r) / sd[r].item<double>();
    study.noise_floor +=
        floor / static_cast<double>(run.noise_floor.size()) / static_cast<double>(study.held_out.size(0));
  }
  return study;
}

at::Tensor all_training(const Study& study) { return at::cat({study.training, study.held_in}); }

/// All frames but the last, and for each the next one.
SequenceData next_frames(const at::Tensor& series) {
  const std::int64_t frames = series.size(1) - 1;
  return {series.narrow(1, 0, frames).contiguous(), series.narrow(1, 1, frames).contiguous()};
}

double mean_error(const at::Tensor& found, const at::Tensor& expected) {
  return (found - expected).abs().mean().item<double>();
}

double autoregression_error(const Study& study) {
  struct Choice {
    std::int64_t order = 1;
    double penalty = 0, error = std::numeric_limits<double>::infinity();
  } best;
  const SequenceData held_in = next_frames(study.held_in), held_out = next_frames(study.held_out);
  for (const std::int64_t order : {1, 2, 3, 5, 8, 12}) {
    for (const double penalty : {1e-3, 1e-2, 1e-1}) {
      const LinearAutoregression model(study.training, order, penalty);
      const double error = mean_error(model.predict(held_in.inputs), held_in.targets);
      if (error < best.error) best = {order, penalty, error};
    }
  }
  log_debug(fmt::format("linear autoregression of order {} with a penalty of {}", best.order, best.penalty));
  const LinearAutoregression model(all_training(study), best.order, best.penalty);
  return mean_error(model.predict(held_out.inputs), held_out.targets);
}

/// What a network costs, and the error of one seed.
NextFrameScore backbone_score(const NextFrameOptions& options, const std::string& backbone, const Study& study,
                              std::uint64_t seed) {
  const SequenceData data = next_frames(study.training);
  RandomStream stream(seed, "initial parameters");
  at::Generator generator = make_generator(at::kCPU, stream);
  SequenceShape shape;
  shape.channels = shape.outputs = data.inputs.size(2);
  shape.series_out = true;
  SequenceModel model(shape, {options.width, data.inputs.size(1)}, bench_mixers(backbone, kDropout), generator);
  model.to(torch_device());
  TrainingOptions training;
  training.min_steps = training.max_steps = options.steps;
  training.batch_size = 8;
  training.learning_rate = 2e-3;
  training.patience = 8;
  training.seed = seed;
  fit_sequences(model, data, SequenceLoss::absolute, training, next_frames(study.held_in));
  return {backbone,
          {score_sequences(model, next_frames(study.held_out), SequenceLoss::absolute)},
          static_cast<double>(model.parameter_count()),
          static_cast<double>(model.flops(data.inputs.size(1))),
          static_cast<double>(model.state_bytes())};
}

}  // namespace

void NextFrameOptions::validate() const {
  series.validate();
  if (seeds < 1) throw UsageError(fmt::format("{} seeds, expected at least 1", seeds));
  if (width < 8) throw UsageError(fmt::format("a width of {}, expected at least 8", width));
  if (steps < 1) throw UsageError(fmt::format("{} steps of training, expected at least 1", steps));
  if (series.study.subjects < 5) {
    throw UsageError(fmt::format("{} subjects, expected at least 5, of which one is held out", series.study.subjects));
  }
}

std::vector<NextFrameScore> bench_next_frame(const NextFrameOptions& options) {
  options.validate();
  const auto seeds = static_cast<std::size_t>(options.seeds);
  std::vector<NextFrameScore> scores = {{"noise floor", {}}, {"copy last frame", {}}, {"linear autoregression", {}}};
  for (const std::string& backbone : options.backbones) scores.push_back({backbone, {}});
  for (NextFrameScore& score : scores) score.errors.resize(seeds);
  std::vector<Study> studies;
  for (std::size_t s = 0; s < seeds; ++s) {
    studies.push_back(make_study(options, options.seed + s));
    const SequenceData held_out = next_frames(studies[s].held_out);
    scores[0].errors[s] = studies[s].noise_floor;
    scores[1].errors[s] = mean_error(held_out.inputs, held_out.targets);
  }
  const std::size_t learners = scores.size() - kAutoregression;
  const auto count = static_cast<std::int64_t>(seeds * learners);
  Progress progress("benchmark of next frames", count);
  std::mutex telling;
  parallel_tasks(count, [&](std::int64_t i) {
    const OneTorchThread one_thread;  // they are trained side by side
    const std::size_t s = static_cast<std::size_t>(i) / learners;
    NextFrameScore& score = scores[kAutoregression + static_cast<std::size_t>(i) % learners];
    const bool linear = &score == &scores[kAutoregression];
    const NextFrameScore one = linear ? NextFrameScore{score.predictor, {autoregression_error(studies[s])}}
                                      : backbone_score(options, score.predictor, studies[s], options.seed + s);
    const std::lock_guard lock(telling);
    score.errors[s] = one.errors[0];
    score.parameters = one.parameters;
    score.flops = one.flops;
    score.state_bytes = one.state_bytes;
    log_info(fmt::format("seed {}: {} errs by {:.4f}, the noise floor is {:.4f}", options.seed + s, score.predictor,
                         score.errors[s], studies[s].noise_floor));
    progress.advance();
  });
  return scores;
}

double NextFrameScore::mean() const { return seed_mean(errors); }
double NextFrameScore::spread() const { return seed_spread(errors); }

Table next_frame_table(const std::vector<NextFrameScore>& scores) {
  std::vector<std::string> predictors, each;
  std::vector<double> mean, spread, difference, difference_spread, parameters, flops, bytes;
  for (const NextFrameScore& score : scores) {
    predictors.push_back(score.predictor);
    each.push_back(fmt::format("{:.4f}", fmt::join(score.errors, ",")));
    parameters.push_back(score.parameters);
    flops.push_back(score.flops);
    bytes.push_back(score.state_bytes);
    mean.push_back(score.mean());
    spread.push_back(score.spread());
    std::vector<double> differences;
    for (std::size_t s = 0; s < score.errors.size(); ++s) {
      differences.push_back(score.errors[s] - scores.at(kAutoregression).errors[s]);
    }
    difference.push_back(seed_mean(differences));
    difference_spread.push_back(seed_spread(differences));
  }
  Table table;
  table.add("predictor", predictors);
  table.add("mean_absolute_error", mean);
  table.add("sd_over_seeds", spread);
  table.add("minus_autoregression", difference);
  table.add("sd_of_difference", difference_spread);
  table.add("errors", each);
  table.add("parameters", parameters, kDigitsOfCounts);
  table.add("flops", flops, kDigitsOfCounts);
  table.add("state_bytes", bytes, kDigitsOfCounts);
  return table;
}

}  // namespace noema
