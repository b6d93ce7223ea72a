#include "noema/pipelines/single_trials.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"

namespace noema {
namespace {

/// Volumes are taken to be acquired at the middle of the repetition time.
constexpr double kSliceTimeReference = 0.5;

DesignOptions design_options(const PreparedData& data) {
  DesignOptions options;
  if (data.high_pass.high_pass_hz) {
    options.high_pass_hz = *data.high_pass.high_pass_hz;
  } else {
    options.drift = DriftModel::polynomial;
  }
  return options;
}

std::vector<Event> modelled_events(const LearningRun& run, const LabelRule& rule) {
  LabelRule everything = rule;
  everything.conditions.clear();
  return selected_events(run, everything);
}

/// The first volume after a time; none where the series does not reach it.
std::optional<int> volume_of(const Series& series, double onset_s) {
  const VolumeRange range = volumes_between(series, onset_s, onset_s + series.tr_s);
  return range.size() > 0 ? std::optional(range.first) : std::nullopt;
}

/// Each trial needs a volume to itself, those that have no estimate too: else they would be samples of the other's.
void require_apart(const LearningRun& run, const std::vector<Event>& events, const std::vector<std::string>& labels) {
  std::set<int> taken;
  for (const Event& event : events) {
    if (std::count(labels.begin(), labels.end(), event.label) == 0) continue;
    const std::optional<int> volume = volume_of(run.series, event.onset_s);
    if (!volume || taken.insert(*volume).second) continue;
    throw DataError(fmt::format(
        "two trials begin within the volume at {:g} s (repetition time {:g} s), so their estimates cannot be told "
        "apart; leave one out with --labels or --conditions",
        event.onset_s, run.series.tr_s));
  }
}

TrialWeights weights_of_run(const LearningRun& run, const std::vector<std::string>& labels, const LabelRule& rule,
                            TrialModel model, const DesignOptions& options) {
  const Series& series = run.series;
  const std::vector<Event> events = modelled_events(run, rule);
  require_apart(run, events, labels);
  return trial_weights(events, labels, frame_times(series.volumes(), series.tr_s, series.start_s, kSliceTimeReference),
                       model, options, series.keep);
}

/// (K, Q): the mean of each column by the response expected of each trial.
MatrixF means_by_response(const TrialWeights& weights, const MatrixF& values) {
  MatrixD shares = weights.responses.cwiseMax(0);
  for (Eigen::Index k = 0; k < shares.rows(); ++k) shares.row(k) /= shares.row(k).sum();
  return (shares * values.cast<double>()).cast<float>();
}

/// Rows of maps at the trials' volumes; all other volumes are 0 and censored. Trials without a volume, which begin
/// before the first, are counted among the samples that keep none.
void place(const MatrixF& maps, const std::vector<std::optional<int>>& volumes, Series& series) {
  series.values.setZero();
  series.keep.assign(static_cast<std::size_t>(series.volumes()), 0);
  for (std::size_t k = 0; k < volumes.size(); ++k) {
    if (!volumes[k]) continue;
    series.values.row(*volumes[k]) = maps.row(static_cast<Eigen::Index>(k));
    series.keep[static_cast<std::size_t>(*volumes[k])] = 1;
  }
}

double common_tr(const std::vector<LearningRun>& runs) {
  for (const LearningRun& run : runs) {
    if (run.series.tr_s == runs.front().series.tr_s) continue;
    throw UsageError(fmt::format("single trials need one repetition time; run '{}' has {:g} s, run '{}' {:g} s",
                                 runs.front().id, runs.front().series.tr_s, run.id, run.series.tr_s));
  }
  return runs.front().series.tr_s;
}

}  // namespace

PreparedData single_trial_data(const PreparedData& data, TrialModel model, LabelRule& rule,
                               std::optional<SampleUnit>& unit) {
  const std::vector<std::string> labels = make_label_table(*data.runs, rule).names;
  const DesignOptions options = design_options(data);
  auto runs = std::make_shared<std::vector<LearningRun>>(*data.runs);
  auto nuisance = std::make_shared<std::vector<LearningRun>>(*data.nuisance);
  for (std::size_t r = 0; r < runs->size(); ++r) {
    check_cancelled();
    LearningRun& run = runs->at(r);
    with_context(fmt::format("single trials of run '{}'", run.id), [&] {
      const TrialWeights weights = weights_of_run(run, labels, rule, model, options);
      std::vector<std::optional<int>> volumes;
      for (const Event& trial : weights.trials) volumes.push_back(volume_of(run.series, trial.onset_s));
      place(trial_maps(weights, run.series.values), volumes, run.series);
      Series& beside = nuisance->at(r).series;
      place(means_by_response(weights, beside.values), volumes, beside);
    });
  }
  rule.delay = DelayKind::none;
  rule.trial_s = common_tr(*runs);
  unit = SampleUnit::trials;
  PreparedData trials = data;
  trials.runs = runs;
  trials.nuisance = nuisance;
  trials.notes.push_back(fmt::format(
      "Samples are estimates of single trials by least squares ({}), with the SPM response; those of one run share its "
      "volumes, so runs are never split.",
      model == TrialModel::lsa
          ? "all trials in one model"
          : "a model for each trial, with one column for all others, so that labels do not enter"));
  return trials;
}

void require_whole_runs(const LearningProblem& problem, bool allow_leakage) {
  for (const FoldData& fold : problem.folds) {
    std::set<int> trained;
    for (const int sample : fold.train) trained.insert(fold.samples[static_cast<std::size_t>(sample)].run);
    const auto shared = std::find_if(fold.test.begin(), fold.test.end(), [&](int sample) {
      return trained.contains(fold.samples[static_cast<std::size_t>(sample)].run);
    });
    if (shared == fold.test.end()) continue;
    const int run = fold.samples[static_cast<std::size_t>(*shared)].run;
    const std::string found = fmt::format(
        "fold '{}' trains and tests on single trials of run '{}', whose estimates are made of the same volumes",
        fold.name, problem.runs->at(static_cast<std::size_t>(run)).id);
    if (!allow_leakage) throw DataError(found + "; split by run or subject, or decode blocks or volumes");
    log_warning(found);
    return;
  }
}

}  // namespace noema
