#include "noema/simulate/sequence_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "noema/core/command.h"
#include "noema/core/error.h"
#include "noema/simulate/region_tasks.h"
#include "noema/simulate/token_tasks.h"

namespace noema {
namespace {

constexpr std::array<std::pair<SequenceTask, std::string_view>, 11> kNames{{
    {SequenceTask::in_context_recall, "in-context-recall"},
    {SequenceTask::noisy_recall, "noisy-recall"},
    {SequenceTask::fuzzy_recall, "fuzzy-recall"},
    {SequenceTask::selective_copying, "selective-copying"},
    {SequenceTask::compression, "compression"},
    {SequenceTask::memorization, "memorization"},
    {SequenceTask::associative_recall, "associative-recall"},
    {SequenceTask::induction_heads, "induction-heads"},
    {SequenceTask::lagged_response, "lagged-response"},
    {SequenceTask::noisy_region_copy, "noisy-region-copy"},
    {SequenceTask::band_limited_compression, "band-limited-compression"},
}};

bool of_regions(SequenceTask task) {
  return task == SequenceTask::lagged_response || task == SequenceTask::noisy_region_copy ||
         task == SequenceTask::band_limited_compression;
}

void require(bool good, std::string_view what) {
  if (!good) throw UsageError(fmt::format("a sequence task cannot be like this: expected {}", what));
}

}  // namespace

std::vector<SequenceTask> all_sequence_tasks() {
  std::vector<SequenceTask> tasks;
  for (const auto& [task, name] : kNames) tasks.push_back(task);
  return tasks;
}

std::string_view name_of(SequenceTask task) {
  for (const auto& [known, name] : kNames) {
    if (known == task) return name;
  }
  throw UsageError("unknown sequence task");
}

SequenceTask sequence_task_named(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& [task, known] : kNames) {
    if (known == name) return task;
    names.emplace_back(known);
  }
  const auto near = nearest_match(name, names);
  throw UsageError(fmt::format("there is no sequence task '{}'{}; known are {}", name,
                               near ? fmt::format(", did you mean '{}'?", *near) : "", fmt::join(names, ", ")));
}

void SequenceTaskOptions::validate() const {
  require(training >= 1 && testing >= 1, "at least one sequence to train and one to test on");
  require(noise >= 0 && noise < 1, "a part of noise from 0 to below 1");
  require(noise_vocabulary >= 0, "no fewer than 0 tokens of noise");
  require(noise == 0 || noise_vocabulary >= 1, "tokens of noise where a part is noise");
  require(vocabulary - noise_vocabulary >= 8, "at least 8 tokens that are not noise, or codes");
  require(length >= 8, "a length of at least 8");
  const bool copying = task == SequenceTask::selective_copying || task == SequenceTask::noisy_region_copy;
  require(copies >= 1 && (!copying || length >= 3 * copies + 1), "a length of at least three times the copies and one");
  require(task != SequenceTask::fuzzy_recall || (copies <= 3 && length >= 24),
          "keys of at most 3 tokens and a length of at least 24");
  if (!of_regions(task)) return;
  require(regions >= 1 && noise_sd >= 0, "at least one region and a noise from 0 on");
  require(lag >= 1 && lag < length, "a lag from 1 to below the length");
  require(cosines >= 1 && cosines < length, "fewer cosines than volumes");
}

SequenceTaskOptions published_options(SequenceTask task) {
  SequenceTaskOptions options;
  options.task = task;
  switch (task) {
    case SequenceTask::in_context_recall:
      break;
    case SequenceTask::noisy_recall:
      options.vocabulary = 32;
      options.noise_vocabulary = 16;
      options.noise = 0.2;
      break;
    case SequenceTask::fuzzy_recall:
      options.copies = 3;
      break;
    case SequenceTask::selective_copying:
      options.length = 256;
      break;
    case SequenceTask::compression:
      options.length = 32;
      break;
    case SequenceTask::memorization:
      options.vocabulary = 256;
      options.length = 32;
      options.training = 256;
      break;
    case SequenceTask::associative_recall:
    case SequenceTask::induction_heads:
      options.vocabulary = 20;
      options.length = task == SequenceTask::associative_recall ? 40 : 30;
      options.training = 5000;
      options.testing = 500;
      break;
    case SequenceTask::lagged_response:
    case SequenceTask::noisy_region_copy:
      options.vocabulary = 8;
      options.copies = 8;
      options.regions = 16;
      break;
    case SequenceTask::band_limited_compression:
      options.vocabulary = 8;
      options.length = 64;
      options.regions = 8;
      break;
  }
  return options;
}

bool compresses(SequenceTask task) {
  return task == SequenceTask::compression || task == SequenceTask::band_limited_compression;
}

std::int64_t answer_classes(const SequenceTaskOptions& options) {
  return options.task == SequenceTask::band_limited_compression ? 0 : options.vocabulary;
}

SequenceSet draw_sequences(const SequenceTaskOptions& options, bool training) {
  options.validate();
  return of_regions(options.task) ? draw_region_sequences(options, training) : draw_token_sequences(options, training);
}

double chance_score(const SequenceTaskOptions& options) {
  if (options.task == SequenceTask::band_limited_compression) return 0;
  if (of_regions(options.task)) return 1 / static_cast<double>(options.vocabulary);
  return 1 / static_cast<double>(TokenRoles(options).answers);
}

double commonest_score(const SequenceSet& set) {
  if (set.tokens.empty()) return std::numeric_limits<double>::quiet_NaN();
  const std::set<std::int64_t> answers(set.asked.begin(), set.asked.end());
  double right = 0, all = 0;
  for (std::int64_t item = 0; item < set.count; ++item) {
    std::map<std::int64_t, int> seen;
    for (std::int64_t i = item * set.length; i < (item + 1) * set.length; ++i) {
      const std::int64_t token = set.tokens[static_cast<std::size_t>(i)],
                         asked = set.asked[static_cast<std::size_t>(i)];
      if (answers.contains(token)) ++seen[token];
      if (asked == kNotAsked) continue;
      const auto commonest =
          std::max_element(seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
      if (commonest != seen.end() && commonest->first == asked) ++right;
      ++all;
    }
  }
  return all > 0 ? right / all : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace noema
