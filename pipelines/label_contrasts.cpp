#include "noema/pipelines/label_contrasts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "noema/core/log.h"
#include "noema/learn/labels.h"

namespace noema {
namespace {

/// The SPM response to a short event is largest 5 s after it.
constexpr double kResponsePeak_s = 5;
/// A delay within this of the peak needs no correction.
constexpr double kDelayTolerance_s = 2;

/// The mean over folds; none where nobody declared it and the data cannot tell.
std::optional<double> known_delay(const LearningProblem& problem) {
  const DelayKind rule = problem.rule.delay;
  if (problem.unit == SampleUnit::runs || rule == DelayKind::hrf || rule == DelayKind::none) return std::nullopt;
  if (problem.rule.windows == EventWindows::hcp) return std::nullopt;  // labels too early by intent, events in time
  double sum = 0;
  for (const FoldData& fold : problem.folds) {
    if (rule == DelayKind::automatic && !fold.estimate.determined) return std::nullopt;
    sum += fold.delay_s;
  }
  return sum / static_cast<double>(problem.folds.size());
}

double onset_shift(const LearningProblem& problem, std::vector<std::string>& notes) {
  const std::optional<double> delay_s = known_delay(problem);
  if (!delay_s || std::abs(*delay_s - kResponsePeak_s) <= kDelayTolerance_s) return 0;
  const double shift_s = *delay_s - kResponsePeak_s;
  notes.push_back(fmt::format(
      "The response follows the events by {:.1f} s instead of about {:.0f} s, so the events seem to carry a delay "
      "already; for the GLM they were moved by {:+.1f} s.",
      *delay_s, kResponsePeak_s, shift_s));
  log_warning(notes.back());
  return shift_s;
}

/// All events of a run: those that are decoded under their (renamed) labels, the rest under their own names, so that
/// the model accounts for them too.
std::vector<Event> glm_events(const LearningRun& run, const LabelRule& rule, double shift_s) {
  LabelRule everything = rule;
  everything.conditions.clear();
  std::vector<Event> events = selected_events(run, everything);
  for (Event& event : events) event.onset_s += shift_s;
  return events;
}

std::vector<ContrastRequest> contrasts_of(const LabelTable& labels) {
  std::vector<ContrastRequest> requests;
  for (const std::string& label : labels.names) {
    std::string formula = fmt::format("'{}'", label);
    for (const std::string& other : labels.names) {
      if (other != label) formula += fmt::format(" - {:.17g}*'{}'", 1.0 / (labels.count() - 1), other);
    }
    requests.push_back({label, formula});
  }
  return requests;
}

}  // namespace

GlmJob label_glm(const PreparedData& data, const LearningProblem& problem, std::vector<std::string>& notes) {
  const double shift_s = onset_shift(problem, notes);
  GlmJob job;
  job.runs = data.files;
  for (const LearningRun& run : *data.runs) job.events.push_back(glm_events(run, problem.rule, shift_s));
  auto voxels = std::make_shared<FeatureSpace>();
  voxels->space = data.features->space;
  voxels->mask = data.features->mask;
  job.voxels = voxels;
  job.preprocess = data.preprocess;
  job.high_pass_hz = data.high_pass.high_pass_hz;
  job.contrasts = contrasts_of(problem.labels);
  notes.push_back("Contrasts are each label against the mean of the others.");
  return job;
}

}  // namespace noema
