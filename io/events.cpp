#include "noema/io/events.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/hcp.h"
#include "noema/io/table.h"

namespace noema {
namespace {

constexpr int kSignificantDigits = 10;

void require_column(const std::filesystem::path& path, const Table& table, const std::string& name) {
  try {
    table.column(name);
  } catch (const DataError& error) {
    throw FormatError(path, 0, error.message());
  }
}

std::vector<double> finite_numbers(const std::filesystem::path& path, const Table& table, const std::string& name,
                                   const std::vector<bool>& used) {
  Table needed;
  std::vector<std::string> texts = table.column(name);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (!used[i]) texts[i] = "0";  // the times of events that are left out do not matter
  }
  needed.add(name, std::move(texts));
  std::vector<double> values;
  try {
    values = needed.numbers(name);
  } catch (const DataError& error) {
    throw FormatError(path, -1, error.message());
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw FormatError(path, -1,
                      fmt::format("column '{}', line {}: found '{}', expected a number; give the value, or "
                                  "remove the row",
                                  name, i + 2, table.column(name)[i]));
  }
  return values;
}

std::vector<std::string> read_labels(const std::filesystem::path& path, const Table& table,
                                     const std::string& label_column) {
  if (table.has(label_column) || label_column != EventsOptions().label_column) {
    require_column(path, table, label_column);
    return table.column(label_column);
  }
  log_warning(fmt::format("events '{}': no column '{}', so all {} events are labelled 'dummy'", path.string(),
                          label_column, table.rows()));
  return std::vector<std::string>(table.rows(), "dummy");
}

bool says_nothing(const std::string& label) { return label.empty() || label == "n/a"; }

/// Events that are the same in label, onset and duration become one; their amplitudes, when given, add up.
std::vector<Event> merge_duplicates(const std::filesystem::path& path, const std::vector<Event>& events,
                                    bool add_modulations) {
  std::map<std::tuple<double, std::string, double>, std::size_t> place;
  std::vector<Event> merged;
  for (const Event& event : events) {
    const auto [known, is_new] = place.emplace(std::tuple(event.onset_s, event.label, event.duration_s), merged.size());
    if (is_new) {
      merged.push_back(event);
    } else if (add_modulations) {
      merged[known->second].modulation += event.modulation;
    }
  }
  if (merged.size() < events.size()) {
    log_warning(fmt::format("events '{}': {} rows repeat label, onset and duration of another and were merged with it",
                            path.string(), events.size() - merged.size()));
  }
  return merged;
}

void sort_by_onset(const std::filesystem::path& path, std::vector<Event>& events) {
  std::size_t late = 0;
  for (std::size_t i = 1; i < events.size(); ++i) late += events[i].onset_s < events[i - 1].onset_s ? 1U : 0U;
  if (late == 0) return;
  log_warning(
      fmt::format("events '{}': {} rows begin before the row above them; sorted by onset", path.string(), late));
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.onset_s < b.onset_s; });
}

}  // namespace

std::vector<Event> read_events(const std::filesystem::path& path, const EventsOptions& options) {
  if (std::filesystem::is_directory(path)) return read_hcp_events(path, options.label_column);
  const Table table = read_table(path);
  require_column(path, table, "onset");
  require_column(path, table, "duration");
  const std::vector<std::string> labels = read_labels(path, table, options.label_column);
  std::vector<bool> used(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) used[i] = !says_nothing(labels[i]);
  const std::vector<double> onsets = finite_numbers(path, table, "onset", used);
  const std::vector<double> durations = finite_numbers(path, table, "duration", used);
  const bool has_modulation = table.has("modulation");
  const std::vector<double> modulations =
      has_modulation ? finite_numbers(path, table, "modulation", used) : std::vector<double>(labels.size(), 1);

  std::vector<Event> events;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!used[i]) continue;
    if (durations[i] < 0) {
      throw FormatError(
          path, -1,
          fmt::format("column 'duration', line {}: found {:g} s, expected no negative number", i + 2, durations[i]));
    }
    events.push_back({onsets[i], durations[i], labels[i], modulations[i]});
  }
  if (events.size() < labels.size()) {
    log_warning(fmt::format("events '{}': {} of {} rows have no label in '{}' and were left out", path.string(),
                            labels.size() - events.size(), labels.size(), options.label_column));
  }
  sort_by_onset(path, events);
  return merge_duplicates(path, events, has_modulation);
}

void write_events(const std::filesystem::path& path, const std::vector<Event>& events) {
  std::vector<double> onsets, durations, modulations;
  std::vector<std::string> labels;
  for (const Event& event : events) {
    onsets.push_back(event.onset_s);
    durations.push_back(event.duration_s);
    labels.push_back(event.label);
    modulations.push_back(event.modulation);
  }
  Table table;
  table.add("onset", onsets, kSignificantDigits);
  table.add("duration", durations, kSignificantDigits);
  table.add("trial_type", std::move(labels));
  if (std::any_of(modulations.begin(), modulations.end(), [](double value) { return value != 1; })) {
    table.add("modulation", modulations, kSignificantDigits);
  }
  write_table(path, table);
}

}  // namespace noema
