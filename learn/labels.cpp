#include "noema/learn/labels.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/learn/hcp_windows.h"

namespace noema {
namespace {

/// Onsets and durations in files are rounded to milliseconds, so neighbours may seem to overlap by up to 1.5 ms.
constexpr double kFileRounding_s = 2e-3;

bool starts_before(const Event& a, const Event& b) {
  if (a.onset_s != b.onset_s) return a.onset_s < b.onset_s;
  return a.duration_s > b.duration_s;
}

double run_end_s(const Series& series) { return series.start_s + static_cast<double>(series.volumes()) * series.tr_s; }

std::string describe(const Event& event) {
  return fmt::format("'{}' from {:g} to {:g} s", event.label, event.onset_s, event.end_s());
}

bool lies_outside(const Event& event, const Series& series) {
  if (event.onset_s >= run_end_s(series) - kTimeTolerance_s) return true;
  return event.onset_s < series.start_s - kTimeTolerance_s && event.end_s() <= series.start_s + kTimeTolerance_s;
}

std::vector<Event> without_outside(std::vector<Event> events, const LearningRun& run) {
  const std::size_t all = events.size();
  const auto outside = std::stable_partition(events.begin(), events.end(),
                                             [&](const Event& event) { return !lies_outside(event, run.series); });
  const std::size_t lost = static_cast<std::size_t>(events.end() - outside);
  if (lost == 0) return events;
  const auto [first, last] = std::minmax_element(outside, events.end(), starts_before);
  const std::string found = fmt::format(
      "run '{}': {} of {} events lie outside the run, which lasts from {:g} to {:g} s ({} volumes of {:g} s)", run.id,
      lost, all, run.series.start_s, run_end_s(run.series), run.series.volumes(), run.series.tr_s);
  if (2 * lost > all) {
    throw DataError(
        fmt::format("{}: the first is {}, the last {}; expected times in seconds from the first volume on. "
                    "Is this the events file of this run, and is the repetition time right?",
                    found, describe(*first), describe(*last)));
  }
  log_warning(fmt::format("{}; they are left out (the first is {})", found, describe(*first)));
  events.erase(outside, events.end());
  return events;
}

/// Indices of events (sorted) of different labels that share time.
std::vector<std::pair<std::size_t, std::size_t>> overlapping_pairs(const std::vector<Event>& events) {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  std::vector<std::size_t> running;
  for (std::size_t later = 0; later < events.size(); ++later) {
    std::erase_if(running, [&](std::size_t earlier) {
      return events[earlier].end_s() <= events[later].onset_s + kFileRounding_s;
    });
    for (std::size_t earlier : running) {
      if (events[earlier].label != events[later].label) pairs.emplace_back(earlier, later);
    }
    running.push_back(later);
  }
  return pairs;
}

/// Takes the time of each event away from the earlier ones of other labels.
std::vector<Event> later_wins(const std::vector<Event>& events) {
  std::vector<Event> pieces;
  for (const Event& event : events) {
    std::vector<Event> kept;
    for (Event& piece : pieces) {
      if (piece.label == event.label || piece.end_s() <= event.onset_s + kFileRounding_s) {
        kept.push_back(std::move(piece));
        continue;
      }
      const double end_s = piece.end_s();
      const auto keep = [&](double from_s, double to_s) {
        if (to_s - from_s <= kFileRounding_s) return;
        kept.push_back(piece);
        kept.back().onset_s = from_s;
        kept.back().duration_s = to_s - from_s;
      };
      keep(piece.onset_s, event.onset_s);
      keep(event.end_s(), end_s);
    }
    pieces = std::move(kept);
    pieces.push_back(event);
  }
  std::stable_sort(pieces.begin(), pieces.end(), starts_before);
  return pieces;
}

std::vector<Event> resolve_overlaps(std::vector<Event> events, OverlapPolicy policy, const std::string& run_id) {
  const auto pairs = overlapping_pairs(events);
  if (pairs.empty()) return events;
  const std::string found = fmt::format(
      "run '{}': {} pair{} of events of different labels overlap; the first is {} and {}", run_id, pairs.size(),
      pairs.size() == 1 ? "" : "s", describe(events[pairs[0].first]), describe(events[pairs[0].second]));
  if (policy == OverlapPolicy::error) {
    throw DataError(found +
                    ". Choose what to decode by `conditions`, or say which event counts by the overlap policy `later` "
                    "or `drop`");
  }
  if (policy == OverlapPolicy::later) {
    log_warning(found + "; the later one takes the time");
    return later_wins(events);
  }
  std::vector<bool> dropped(events.size(), false);
  for (const auto& [earlier, later] : pairs) dropped[earlier] = dropped[later] = true;
  log_warning(fmt::format("{}; {} events are left out", found, std::count(dropped.begin(), dropped.end(), true)));
  std::vector<Event> kept;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (!dropped[i]) kept.push_back(std::move(events[i]));
  }
  return kept;
}

std::vector<Block> blocks_of_run(const std::vector<Event>& events, int run, const LabelTable& labels, double gap_s) {
  std::vector<Block> blocks;
  std::vector<int> occurrences(labels.names.size(), 0);
  for (const Event& event : events) {
    const int label = labels.index_of(event.label);
    if (label < 0) {
      throw UsageError(
          fmt::format("the label '{}' is not in the label table ({})", event.label, fmt::join(labels.names, ", ")));
    }
    const bool continues = !blocks.empty() && blocks.back().label == label &&
                           event.onset_s - blocks.back().end_s <= gap_s + kTimeTolerance_s;
    if (!continues) {
      if (!blocks.empty()) blocks.back().end_s = std::min(blocks.back().end_s, event.onset_s);  // rounding of the file
      blocks.push_back({run, label, event.onset_s, event.end_s(), occurrences[static_cast<std::size_t>(label)]++, {}});
    }
    blocks.back().end_s = std::max(blocks.back().end_s, event.end_s());
    blocks.back().events.push_back(event);
  }
  return blocks;
}

void check_series(const LearningRun& run) {
  if (run.series.tr_s > 0 && std::isfinite(run.series.tr_s) && run.series.volumes() > 0) return;
  throw DataError(
      fmt::format("run '{}': found {} volumes with a repetition time of {:g} s, expected some volumes and a "
                  "positive time",
                  run.id, run.series.volumes(), run.series.tr_s));
}

void require_time(double value_s, const char* name) {
  if (std::isfinite(value_s) && value_s >= 0) return;
  throw UsageError(fmt::format("{} must be a time of at least 0 s, found {:g}", name, value_s));
}

}  // namespace

void LabelRule::validate() const {
  if (block_gap_s) require_time(*block_gap_s, "block_gap_s");
  require_time(delay_s, "delay_s");
  require_time(discard_s, "discard_s");
  require_time(extend_s, "extend_s");
  require_time(trial_s, "trial_s");
  if (windows != EventWindows::hcp) return;
  if (delay != DelayKind::fixed || delay_s + discard_s + extend_s + trial_s != 0 || block_gap_s) {
    throw UsageError(
        "the windows of the HCP say by themselves which volumes an event labels: expected a fixed delay of 0 and no "
        "block_gap_s, discard_s, extend_s or trial_s");
  }
}

Event whole_run_event(const Series& series, std::string label) {
  return {series.start_s, run_end_s(series) - series.start_s, std::move(label), 1};
}

std::vector<Event> selected_events(const LearningRun& run, const LabelRule& rule) {
  std::vector<Event> events;
  for (Event event : run.events) {
    if (!std::isfinite(event.onset_s) || !std::isfinite(event.duration_s) || event.duration_s < 0) {
      throw DataError(
          fmt::format("run '{}': the event '{}' has onset {:g} s and duration {:g} s, expected finite times "
                      "and a duration of at least 0",
                      run.id, event.label, event.onset_s, event.duration_s));
    }
    if (const auto renamed = rule.rename.find(event.label); renamed != rule.rename.end()) event.label = renamed->second;
    const bool kept =
        rule.conditions.empty() || std::count(rule.conditions.begin(), rule.conditions.end(), event.label);
    if (kept && event.label != "n/a") events.push_back(std::move(event));
  }
  std::stable_sort(events.begin(), events.end(), starts_before);
  return events;
}

LabelTable make_label_table(const std::vector<LearningRun>& runs, const LabelRule& rule) {
  std::set<std::string> before, after;
  for (const LearningRun& run : runs) {
    for (const Event& event : run.events) before.insert(event.label);
    LabelRule renaming_only;
    renaming_only.rename = rule.rename;
    for (const Event& event : selected_events(run, renaming_only)) after.insert(event.label);
  }
  std::vector<std::string> unused;
  for (const auto& [from, to] : rule.rename) {
    if (!before.contains(from)) unused.push_back(from);
  }
  if (!unused.empty()) {
    log_warning(fmt::format("{} of {} names to rename occur in no event: {}", unused.size(), rule.rename.size(),
                            fmt::join(unused, ", ")));
  }
  for (const std::string& condition : rule.conditions) {
    if (after.contains(condition)) continue;
    throw UsageError(fmt::format("no event is labelled '{}'; the labels (after renaming) are: {}", condition,
                                 fmt::join(after, ", ")));
  }
  if (!rule.conditions.empty()) after = {rule.conditions.begin(), rule.conditions.end()};
  if (after.size() < 2) {
    throw DataError(fmt::format("decoding needs at least two labels, found {} ({}) in the events of {} runs",
                                after.size(), fmt::join(after, ", "), runs.size()));
  }
  return {{after.begin(), after.end()}};
}

std::vector<Block> find_blocks(const std::vector<LearningRun>& runs, const LabelTable& labels, const LabelRule& rule) {
  rule.validate();
  std::vector<Block> blocks;
  std::vector<std::string> empty_runs;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    check_cancelled();
    const LearningRun& run = runs[r];
    check_series(run);
    const bool hcp = rule.windows == EventWindows::hcp;
    std::vector<Event> events = without_outside(selected_events(run, rule), run);
    events = hcp ? hcp_windows(events, run.series) : resolve_overlaps(std::move(events), rule.overlap, run.id);
    if (events.empty()) empty_runs.push_back(run.id);
    const double gap_s = hcp ? run.series.tr_s / 2 : rule.block_gap_s.value_or(std::max(run.series.tr_s, 2.0));
    for (Block& block : blocks_of_run(events, static_cast<int>(r), labels, gap_s)) blocks.push_back(std::move(block));
  }
  if (blocks.empty()) throw DataError(fmt::format("none of the {} runs has an event to decode", runs.size()));
  if (!empty_runs.empty()) {
    log_warning(fmt::format("{} of {} runs have no event to decode and are not used: {}", empty_runs.size(),
                            runs.size(), fmt::join(empty_runs, ", ")));
  }
  return blocks;
}

}  // namespace noema
