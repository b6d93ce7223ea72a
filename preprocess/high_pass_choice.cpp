#include "noema/preprocess/high_pass_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "noema/core/error.h"

namespace noema {
namespace {

constexpr double kLongestPause_s = 2;

/// Begins of the occurrences of each label.
std::map<std::string, std::vector<double>> occurrences(std::vector<Event> events) {
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.onset_s < b.onset_s; });
  std::map<std::string, std::vector<double>> begins;
  double end_s = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Event& event = events[i];
    const bool goes_on = i > 0 && events[i - 1].label == event.label && event.onset_s - end_s <= kLongestPause_s + 1e-6;
    if (!goes_on) begins[event.label].push_back(event.onset_s);
    end_s = goes_on ? std::max(end_s, event.end_s()) : event.end_s();
  }
  return begins;
}

}  // namespace

HighPassChoice choose_high_pass(const std::vector<std::vector<Event>>& runs, double period_s) {
  if (!(period_s > 0))
    throw UsageError(fmt::format("high-pass: found a period of {} s, expected a positive one", period_s));
  double longest_s = 0;
  std::string longest;
  for (const std::vector<Event>& events : runs) {
    for (const auto& [label, begins] : occurrences(events)) {
      if (begins.size() == 1) {
        return {{},
                fmt::format("detrending alone, no high-pass: condition '{}' occurs once in a run, so its response is "
                            "as slow as the run",
                            label)};
      }
      for (std::size_t i = 1; i < begins.size(); ++i) {
        if (begins[i] - begins[i - 1] <= longest_s) continue;
        longest_s = begins[i] - begins[i - 1];
        longest = label;
      }
    }
  }
  if (longest.empty()) return {{}, "detrending alone, no high-pass: there are no events to judge it by"};
  const std::string interval =
      fmt::format("the longest interval between occurrences of one condition is {:.4g} s ('{}')", longest_s, longest);
  if (period_s < 2 * longest_s) {
    return {{},
            fmt::format("detrending alone, no high-pass: {}, and a period of {:g} s is less than twice that", interval,
                        period_s)};
  }
  return {1 / period_s, fmt::format("high-pass with a period of {:g} s: {}, and the period is at least twice that",
                                    period_s, interval)};
}

}  // namespace noema
