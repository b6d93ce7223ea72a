// Blocks of workflows that take series.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_matrix_rank.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "noema/connectomics/constraints.h"
#include "noema/connectomics/frequency_filter.h"
#include "noema/connectomics/interpolate.h"
#include "noema/connectomics/learned_blocks.h"
#include "noema/connectomics/recursive_filter.h"
#include "noema/connectomics/regression.h"
#include "noema/connectomics/workflow_make.h"
#include "noema/core/error.h"
#include "noema/preprocess/cosine_drift.h"

namespace noema {
namespace {

at::Tensor kept_frames(const RunSeries& run) {
  const at::Tensor kept = run.keep.nonzero().flatten();
  if (kept.numel() == 0) throw DataError("found all frames of a run censored, expected some that are kept");
  return kept;
}

bool all_kept(const RunSeries& run) { return run.keep.all().item<bool>(); }

/// Frames that may not be read count nothing; undefined where all may be.
at::Tensor readable(const RunSeries& run) {
  return run.filled || all_kept(run) ? at::Tensor() : run.keep.to(run.values.scalar_type());
}

/// `work` on the series and on the confounds alike.
template <class Work>
RunSeries alike(const RunSeries& run, const Work& work) {
  RunSeries result = run;
  result.values = work(run.values);
  if (run.confounds.size(0) > 0) result.confounds = work(run.confounds);
  return result;
}

/// Over the kept frames: mean 0, standard deviation 1; what does not vary becomes zeros.
at::Tensor standardised(const at::Tensor& values, const at::Tensor& keep, double ddof) {
  const at::Tensor weights = keep.to(values.scalar_type());
  const double count = weights.sum().item<double>();
  const at::Tensor known = at::where(keep, values, 0.0);
  const at::Tensor mean = known.sum(-1, true) / count;
  const at::Tensor centred = at::where(keep, values - mean, 0.0);
  const at::Tensor squares = centred.square().sum(-1, true), raw = known.square().sum(-1, true);
  const at::Tensor varies = squares > 1e-24 * raw;
  const at::Tensor sd = at::where(varies, squares / (count - ddof), 1.0).sqrt();
  return at::where(varies, (values - mean) / sd, 0.0);
}

template <class Change>
Flow each_run(const Flow& in, const Change& change) {
  Flow out;
  for (const RunSeries& run : in.runs) out.runs.push_back(change(run));
  return out;
}

class Interpolate : public WorkflowBlock {
 public:
  explicit Interpolate(const SettingsOf& settings) : method_(settings.word("method")) {
    fill_.method = method_ == "linear"     ? FillMethod::linear
                   : method_ == "harmonic" ? FillMethod::harmonic
                   : method_ == "hybrid"   ? FillMethod::hybrid
                                           : FillMethod::cubic;
    fill_.highest_frequency = settings.number("highest-frequency");
    fill_.oversampling = static_cast<int>(settings.whole("oversampling"));
    fill_.ridge = settings.number("ridge");
    fill_.largest_gain = settings.number("largest-gain");
    fill_.validate();
  }

  Flow forward(const Flow& in) const override {
    return each_run(in, [&](const RunSeries& run) {
      const at::Tensor kept = kept_frames(run);
      if (method_ == "drop") {
        RunSeries result = alike(run, [&](const at::Tensor& values) { return values.index_select(-1, kept); });
        result.keep = at::ones({kept.numel()}, at::kBool);
        return result;
      }
      const std::int64_t first = kept[0].item<std::int64_t>(), end = kept[-1].item<std::int64_t>() + 1;
      const at::Tensor keep = run.keep.slice(0, first, end);
      RunSeries result = alike(
          run, [&](const at::Tensor& values) { return fill_censored(values.slice(-1, first, end), keep, fill_); });
      result.keep = keep;
      result.filled = true;
      return result;
    });
  }

 private:
  std::string method_;
  FillOptions fill_;
};

class CosineDrifts : public WorkflowBlock {
 public:
  CosineDrifts(const SettingsOf& settings, double tr_s) : high_pass_hz_(settings.number("high-pass")), tr_s_(tr_s) {}

  Flow forward(const Flow& in) const override {
    return each_run(in, [&](const RunSeries& run) {
      const MatrixD drifts = cosine_drift(run.values.size(-1), tr_s_, high_pass_hz_);
      const at::Tensor all =
          at::from_blob(const_cast<double*>(drifts.data()), {drifts.rows(), drifts.cols()}, at::kDouble).clone();
      RunSeries result = run;
      result.confounds = at::cat({run.confounds, all.slice(1, 0, -1).t()}, 0);
      return result;
    });
  }

 private:
  double high_pass_hz_, tr_s_;
};

class Detrend : public WorkflowBlock {
 public:
  explicit Detrend(const SettingsOf& settings) : degree_(static_cast<int>(settings.whole("degree"))) {}

  Flow forward(const Flow& in) const override {
    return each_run(in, [&](const RunSeries& run) {
      const at::Tensor weights = readable(run);
      RunSeries result = alike(run, [&](const at::Tensor& values) {
        return regress_out(values, {}, weights, {.intercept = true, .trend_degree = degree_});
      });
      result.removed += degree_;  // the mean is counted already
      return result;
    });
  }

 private:
  int degree_;
};

void require_readable(const RunSeries& run) {
  if (run.filled || all_kept(run)) return;
  throw DataError(
      "filter: found censored frames, which would leak into their neighbours; put a block of type interpolate before "
      "it");
}

/// What a filter of these amplitudes (at even frequencies) leaves of the run's dimensions.
double passed_by(const RunSeries& run, const at::Tensor& amplitudes) {
  const at::NoGradGuard no_gradients;
  return std::min(run.passed, static_cast<double>(run.values.size(-1)) * amplitudes.mean().item<double>());
}

PassBand band_of(const SettingsOf& settings) {
  PassBand band;
  if (settings.number("high-pass") > 0) band.high_pass_hz = settings.number("high-pass");
  if (settings.number("low-pass") > 0) band.low_pass_hz = settings.number("low-pass");
  return band;
}

class RecursiveFilter : public WorkflowBlock {
 public:
  RecursiveFilter(const PassBand& band, double tr_s, bool learn) {
    const Butterworth start(band, tr_s);
    if (learn) {
      learned_ = std::make_shared<LearnedRecursiveFilter>(start.sections(), true, at::kDouble);
      register_module("coefficients", learned_);
    } else {
      fixed_ = section_tensor(start.sections(), at::TensorOptions(at::kDouble));
    }
  }

  Flow forward(const Flow& in) const override {
    return each_run(in, [&](const RunSeries& run) {
      require_readable(run);
      RunSeries result = alike(run, [&](const at::Tensor& values) { return zero_phase_filter(values, sections()); });
      result.passed = passed_by(run, amplitudes());
      return result;
    });
  }

  std::map<std::string, at::Tensor> quantities() const override { return {{"response", amplitudes()}}; }

 private:
  at::Tensor amplitudes() const {
    constexpr std::int64_t kFrequencies = 129;
    return section_response(sections(), kFrequencies).abs().square();
  }
  at::Tensor sections() const { return learned_ ? learned_->sections() : fixed_; }
  std::shared_ptr<LearnedRecursiveFilter> learned_;
  at::Tensor fixed_;
};

class ResponseFilter : public WorkflowBlock {
 public:
  ResponseFilter(const PassBand& band, double tr_s, std::int64_t knots, bool learn)
      : amplitude_(bounded_constraint(0, 1)), learn_(learn) {
    if (knots < 2) throw UsageError(fmt::format("knots: found {}, expected two or more", knots));
    at::Tensor start = at::ones({knots}, at::kDouble);
    if (band.high_pass_hz || band.low_pass_hz) {
      start = butterworth_response(band, tr_s, knots, start.options()).square();
    }
    free_ = learn ? register_parameter("amplitudes", amplitude_->invert(start)) : register_buffer("amplitudes", start);
  }

  Flow forward(const Flow& in) const override {
    return each_run(in, [&](const RunSeries& run) {
      require_readable(run);
      RunSeries result = alike(run, [&](const at::Tensor& values) {
        const std::int64_t padding = std::min<std::int64_t>(values.size(-1) - 1, kPadding);
        return frequency_filter(values, at_bins(response_size(values.size(-1), padding)), EdgePadding::odd, padding);
      });
      result.passed = passed_by(run, amplitudes());
      return result;
    });
  }

  std::map<std::string, at::Tensor> quantities() const override { return {{"response", amplitudes()}}; }

 private:
  static constexpr std::int64_t kPadding = 33;
  at::Tensor amplitudes() const { return learn_ ? amplitude_->apply(free_) : free_; }
  /// Straight lines between the knots.
  at::Tensor at_bins(std::int64_t bins) const {
    const at::Tensor all = amplitudes();
    const auto last = static_cast<double>(all.size(0) - 1);
    const at::Tensor place = at::linspace(0, last, bins, at::kDouble);
    const at::Tensor below = place.floor().clamp_max(last - 1).to(at::kLong);
    const at::Tensor share = place - below;
    return all.index_select(0, below) * (1 - share) + all.index_select(0, below + 1) * share;
  }

  std::unique_ptr<Constraint> amplitude_;
  bool learn_;
  at::Tensor free_;
};

/// How many of the standardised regressors (K, T) do not depend on one another over the kept frames.
std::int64_t rank_of(const at::Tensor& regressors, const at::Tensor& keep) {
  const at::NoGradGuard no_gradients;
  const at::Tensor kept = at::where(keep, regressors, 0.0);
  constexpr double kSame = 1e-10;  // of squares
  return at::linalg_matrix_rank(kept.matmul(kept.t()), 0.0, kSame, true).item<std::int64_t>();
}

class Regress : public WorkflowBlock {
 public:
  Regress(const SettingsOf& settings, std::int64_t confounds, bool learn)
      : orthonormal_(orthogonal_constraint()), learn_(learn), ridge_(settings.number("ridge")) {
    const std::int64_t count = settings.whole("combinations");
    if (count > confounds || (learn && (count < 1 || count >= confounds))) {
      throw UsageError(fmt::format("combinations: found {}, expected {} confounds{}", count,
                                   learn ? "1 to fewer than the" : "at most the", fmt::format(" ({})", confounds)));
    }
    if (count == 0) return;
    const at::Tensor start = at::eye(confounds, count, at::kDouble);
    free_ = learn ? register_parameter("combinations", start) : register_buffer("combinations", start);
  }

  Flow forward(const Flow& in) const override {
    return each_run(in, [&](const RunSeries& run) {
      RunSeries result = run;
      result.confounds = run.confounds.slice(0, 0, 0);
      if (run.confounds.size(0) == 0) return result;
      at::Tensor ready = standardised(run.confounds, run.keep, 1);
      if (free_.defined()) ready = combinations().t().matmul(ready);
      const at::Tensor weights = run.keep.to(run.values.scalar_type());
      result.values = regress_out(run.values, ready, weights, {.intercept = false, .ridge = ridge_});
      result.removed += rank_of(ready, run.keep);
      return result;
    });
  }

  FlowShape shape(const FlowShape& in) const override { return {in.size, 0}; }
  std::map<std::string, at::Tensor> quantities() const override {
    if (!free_.defined()) return {};
    return {{"combinations", combinations()}};
  }

 private:
  at::Tensor combinations() const { return learn_ ? orthonormal_->apply(free_) : free_; }
  std::unique_ptr<Constraint> orthonormal_;
  bool learn_;
  double ridge_;
  at::Tensor free_;  // (K, R)
};

class Standardise : public WorkflowBlock {
 public:
  explicit Standardise(const SettingsOf& settings) : ddof_(settings.word("by") == "zscore" ? 1 : 0) {}

  Flow forward(const Flow& in) const override {
    return each_run(in, [&](const RunSeries& run) {
      RunSeries result = run;
      result.values = standardised(run.values, run.keep, ddof_);
      return result;
    });
  }

 private:
  double ddof_;
};

/// The parcel of each voxel as 0 … P − 1, −1 for none: labels may have any gaps.
at::Tensor consecutive(const at::Tensor& labels, std::int64_t& parcels) {
  const LabelledParcels parts = parcels_of_labels(labels, -1);
  parcels = static_cast<std::int64_t>(parts.ids.size());
  at::Tensor result = at::full_like(labels, -1);
  return result.index_copy_(0, parts.weights.voxel, parts.weights.parcel);
}

class Parcellate : public WorkflowBlock {
 public:
  Parcellate(const SettingsOf& settings, const FlowShape& in, const WorkflowInput& input, bool learn)
      : features_(in.size), parcels_(settings.whole("parcels")) {
    const bool random = settings.word("start") == "random";
    at::Tensor labels;
    if (!random) labels = starting_labels(input);
    if (parcels_ < 1) throw UsageError("parcels: found none, expected a number, as the start is random");
    if (!learn) {
      if (random)
        throw UsageError("start: found random parcels that are not learned; expected labels, or learn = true");
      fixed_ = parcels_of_labels(labels, -1).weights;
      return;
    }
    if (!random && labels.lt(0).any().item<bool>()) labelled_ = labels.ge(0).nonzero().flatten();
    ParcellationOptions options;
    options.compartments = {{parcels_, labelled_.defined() ? labelled_.size(0) : features_}};
    options.temperature = settings.number("temperature");
    options.straight_through = settings.truth("straight-through");
    options.seed = input.seed;
    options.type = at::kDouble;
    learned_ = register_module("parcels", std::make_shared<Parcellation>(options));
    if (random) return;
    learned_->start_from(labelled_.defined() ? labels.index_select(0, labelled_) : labels,
                         settings.number("start-weight"));
  }

  Flow forward(const Flow& in) const override {
    return each_run(in, [&](const RunSeries& run) {
      RunSeries result = run;
      const at::Tensor values = run.filled || all_kept(run) ? run.values : at::where(run.keep, run.values, 0.0);
      if (learned_) {
        result.values = learned_->forward(labelled_.defined() ? values.index_select(-2, labelled_) : values);
      } else {
        result.values = extract_parcels(values, fixed_);
      }
      return result;
    });
  }

  FlowShape shape(const FlowShape& in) const override { return {parcels_, in.confounds}; }
  std::map<std::string, at::Tensor> quantities() const override {
    if (learned_) {
      const at::Tensor weights = learned_->weights().front();
      if (!labelled_.defined()) return {{"weights", weights}};
      return {{"weights", at::zeros({parcels_, features_}, at::kDouble).index_copy(1, labelled_, weights)}};
    }
    const at::Tensor index = fixed_.parcel * features_ + fixed_.voxel;
    return {{"weights", at::zeros({parcels_ * features_}, at::kDouble)
                            .index_copy(0, index, fixed_.weight.to(at::kDouble))
                            .reshape({parcels_, features_})}};
  }

 private:
  at::Tensor starting_labels(const WorkflowInput& input) {
    if (!input.labels.defined() || input.labels.size(0) != features_) {
      throw UsageError(fmt::format(
          "parcellate: found {} starting labels of {} features: it starts from the labels of the workflow's "
          "input, so no other parcellation may come before; or take start = \"random\"",
          input.labels.defined() ? input.labels.size(0) : 0, features_));
    }
    std::int64_t found = 0;
    const at::Tensor labels = consecutive(input.labels, found);
    if (parcels_ != 0 && parcels_ != found) {
      throw UsageError(fmt::format("parcels: found {}, expected the {} of the labels it starts from (or leave it out)",
                                   parcels_, found));
    }
    parcels_ = found;
    return labels;
  }

  std::int64_t features_, parcels_;
  std::shared_ptr<Parcellation> learned_;
  /// Those with a label, where some have none.
  at::Tensor labelled_;
  SparseWeights fixed_;
};

}  // namespace

std::shared_ptr<WorkflowBlock> make_series_block(const BlockDescription& block, const FlowShape& in,
                                                 const WorkflowInput& input) {
  const SettingsOf settings(block);
  if (block.type == "interpolate") return std::make_shared<Interpolate>(settings);
  if (block.type == "cosine-drifts") return std::make_shared<CosineDrifts>(settings, input.tr_s);
  if (block.type == "detrend") return std::make_shared<Detrend>(settings);
  if (block.type == "regress") return std::make_shared<Regress>(settings, in.confounds, block.learn);
  if (block.type == "standardise") return std::make_shared<Standardise>(settings);
  if (block.type == "parcellate") return std::make_shared<Parcellate>(settings, in, input, block.learn);
  if (block.type != "filter") return nullptr;
  const PassBand band = band_of(settings);
  if (settings.word("method") == "butterworth") {
    return std::make_shared<RecursiveFilter>(band, input.tr_s, block.learn);
  }
  return std::make_shared<ResponseFilter>(band, input.tr_s, settings.whole("knots"), block.learn);
}

}  // namespace noema
