#include "noema/learn/leakage.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/hash.h"
#include "noema/core/log.h"
#include "noema/core/parallel.h"
#include "noema/learn/splits.h"

namespace noema {
namespace {

using Runs = std::vector<LearningRun>;
using Blocks = std::vector<Block>;

/// The blocks on the two sides of a fold.
struct Sides {
  std::set<int> train;
  std::set<int> test;
};

/// What must not lie on both sides: the value for each run, none where the run does not say.
struct Rule {
  std::string name;
  std::vector<std::optional<std::string>> value_of_run;
};

Sides sides_of(const Split& split, const Fold& fold, const std::vector<Sample>& samples) {
  if (!split.leaks) return {{fold.train.begin(), fold.train.end()}, {fold.test.begin(), fold.test.end()}};
  Sides sides;
  for (int sample : fold.train) sides.train.insert(samples.at(static_cast<std::size_t>(sample)).block);
  for (int sample : fold.test) sides.test.insert(samples.at(static_cast<std::size_t>(sample)).block);
  return sides;
}

/// The same, with the samples made only where the folds hold samples.
Sides sides_of(const Split& split, int fold, const std::function<SampledFold(int)>& samples_of) {
  return sides_of(split, split.folds[static_cast<std::size_t>(fold)],
                  split.leaks ? samples_of(fold).samples : std::vector<Sample>());
}

std::set<int> runs_of(const std::set<int>& members, const Blocks& blocks) {
  std::set<int> runs;
  for (int block : members) runs.insert(blocks.at(static_cast<std::size_t>(block)).run);
  return runs;
}

std::vector<std::string> shared_values(const Rule& rule, const Sides& sides, const Blocks& blocks) {
  std::set<std::string> trained;
  for (int run : runs_of(sides.train, blocks)) {
    if (const auto& value = rule.value_of_run[static_cast<std::size_t>(run)]) trained.insert(*value);
  }
  std::set<std::string> shared;
  for (int run : runs_of(sides.test, blocks)) {
    const auto& value = rule.value_of_run[static_cast<std::size_t>(run)];
    if (value && trained.contains(*value)) shared.insert(*value);
  }
  return {shared.begin(), shared.end()};
}

Rule rule_of(const std::string& name, const Runs& runs) {
  Rule rule{name, {}};
  for (const LearningRun& run : runs) {
    if (name == "family" || name == "site") {
      const auto found = run.groups.find(name);
      rule.value_of_run.push_back(found == run.groups.end() ? std::nullopt : std::optional(found->second));
    } else {
      rule.value_of_run.push_back(group_of_run(run, name));
    }
  }
  return rule;
}

bool known_anywhere(const Rule& rule) {
  return std::any_of(rule.value_of_run.begin(), rule.value_of_run.end(),
                     [](const auto& value) { return value.has_value(); });
}

/// The largest unit that no fold of a given split divides.
std::string unit_of_given(const Split& split, const Runs& runs, const Blocks& blocks) {
  for (const char* unit : {"subject", "run"}) {
    const Rule rule = rule_of(unit, runs);
    const bool whole = std::all_of(split.folds.begin(), split.folds.end(), [&](const Fold& fold) {
      return shared_values(rule, sides_of(split, fold, {}), blocks).empty();
    });
    if (whole) return unit;
  }
  return "block";
}

std::vector<std::string> names_of_rules(const std::string& unit, const std::string& group) {
  if (unit == "run") return {"run"};
  if (unit == "subject") return {"subject", "family"};
  if (unit != "group") return {};
  if (group == "site") return {"subject", "family", "site"};
  if (group == "subject" || group == "family") return {"subject", "family"};
  if (group == "run") return {"run"};
  return {group, "run"};
}

void check_groups(LeakageReport& report, const Split& split, const Runs& runs, const Blocks& blocks) {
  const std::vector<std::string> names = names_of_rules(report.unit, split.group);
  for (const std::string& name : names) {
    const Rule rule = rule_of(name, runs);
    if (!known_anywhere(rule)) continue;
    report.checks.push_back(fmt::format("no {} on both sides of a fold", name));
    for (const Fold& fold : split.folds) {
      for (const std::string& value : shared_values(rule, sides_of(split, fold, {}), blocks)) {
        const char* remedy = name == "family" ? "; keep families together (split `group` with the group `family`)" : "";
        report.violations.push_back(
            {name, fold.name, fmt::format("{} '{}' is both trained on and tested on{}", name, value, remedy)});
      }
    }
  }
  if (std::count(names.begin(), names.end(), "site") || names.empty() || names[0] != "subject") return;
  const Rule site = rule_of("site", runs);
  const auto shared = std::count_if(split.folds.begin(), split.folds.end(), [&](const Fold& fold) {
    return !shared_values(site, sides_of(split, fold, {}), blocks).empty();
  });
  if (shared > 0) {
    report.notes.push_back(
        fmt::format("sites are on both sides of {} of {} folds: the figures hold for new subjects, not "
                    "for new sites",
                    shared, split.folds.size()));
  }
}

const char* remedy_for_labels_of(const std::string& unit) {
  if (unit == "subject") return "leave subjects out (split `subject`)";
  if (unit == "session") return "leave sessions out (split `group` with the group `session`)";
  return "leave runs out (split `run`)";
}

void check_unit_of_labels(LeakageReport& report, const Split& split, const Runs& runs, const Blocks& blocks,
                          const std::function<SampledFold(int)>& samples_of) {
  const std::string unit = unit_of_labels(runs, blocks);
  const std::vector<std::string> checked = names_of_rules(report.unit, split.group);
  if (unit == "block" || std::count(checked.begin(), checked.end(), unit)) return;
  report.checks.push_back(fmt::format("labels do not change within a {0}, so no {0} on both sides of a fold", unit));
  const Rule rule = rule_of(unit, runs);
  for (std::size_t f = 0; f < split.folds.size(); ++f) {
    const Sides sides = sides_of(split, static_cast<int>(f), samples_of);
    for (const std::string& value : shared_values(rule, sides, blocks)) {
      report.violations.push_back(
          {unit, split.folds[f].name,
           fmt::format("{0} '{1}' is both trained on and tested on, and labels do not change within a {0}, so to "
                       "recognise the {0} is to know the label; {2}",
                       unit, value, remedy_for_labels_of(unit))});
    }
  }
}

std::string describe(const Block& block, const Runs& runs) {
  return fmt::format("the block from {:g} to {:g} s of run '{}'", block.onset_s, block.end_s,
                     runs[static_cast<std::size_t>(block.run)].id);
}

void check_blocks(LeakageReport& report, const Fold& fold, const Sides& sides, const Runs& runs, const Blocks& blocks) {
  std::vector<int> shared;
  std::set_intersection(sides.train.begin(), sides.train.end(), sides.test.begin(), sides.test.end(),
                        std::back_inserter(shared));
  if (shared.empty()) return;
  report.violations.push_back(
      {"block", fold.name,
       fmt::format("{} blocks are both trained on and tested on; the first is {}", shared.size(),
                   describe(blocks[static_cast<std::size_t>(shared[0])], runs))});
}

std::set<std::pair<int, int>> volumes_of(const std::vector<Sample>& samples, const Split& split,
                                         const std::vector<int>& members, const std::set<int>& side) {
  std::set<std::pair<int, int>> volumes;
  const auto add = [&](const Sample& sample) {
    for (int volume : sample.volumes) volumes.emplace(sample.run, volume);
  };
  if (split.leaks) {
    for (int member : members) add(samples.at(static_cast<std::size_t>(member)));
  } else {
    for (const Sample& sample : samples) {
      if (side.contains(sample.block)) add(sample);
    }
  }
  return volumes;
}

void check_volumes(LeakageReport& report, const Split& split, const Fold& fold, const Sides& sides,
                   const std::vector<Sample>& samples, const Runs& runs) {
  const auto train = volumes_of(samples, split, fold.train, sides.train);
  const auto test = volumes_of(samples, split, fold.test, sides.test);
  std::vector<std::pair<int, int>> shared;
  std::set_intersection(train.begin(), train.end(), test.begin(), test.end(), std::back_inserter(shared));
  if (shared.empty()) return;
  report.violations.push_back(
      {"volume", fold.name,
       fmt::format("{} volumes are in training and in test samples; the first is volume {} of run '{}'", shared.size(),
                   shared[0].second, runs[static_cast<std::size_t>(shared[0].first)].id)});
}

/// For each block the centre of the last volume that a sample of it holds.
std::vector<std::optional<double>> last_centres(const std::vector<Sample>& samples, const Runs& runs,
                                                std::size_t blocks) {
  std::vector<std::optional<double>> centres(blocks);
  for (const Sample& sample : samples) {
    if (sample.volumes.empty()) continue;
    const double centre_s = runs[static_cast<std::size_t>(sample.run)].series.centre_s(sample.volumes.back());
    auto& last = centres.at(static_cast<std::size_t>(sample.block));
    last = last ? std::max(*last, centre_s) : centre_s;
  }
  return centres;
}

void check_gaps(LeakageReport& report, const Fold& fold, const Sides& sides, const SampledFold& sampled,
                const Runs& runs, const Blocks& blocks) {
  const auto last_centre = last_centres(sampled.samples, runs, blocks.size());
  std::map<int, std::vector<int>> train_of_run;
  for (int block : sides.train) train_of_run[blocks[static_cast<std::size_t>(block)].run].push_back(block);
  for (int test : sides.test) {
    for (int train : train_of_run[blocks[static_cast<std::size_t>(test)].run]) {
      if (train == test) continue;
      const auto earlier_index = static_cast<std::size_t>(
          blocks[static_cast<std::size_t>(train)].onset_s < blocks[static_cast<std::size_t>(test)].onset_s ? train
                                                                                                           : test);
      const auto later_index = static_cast<std::size_t>(static_cast<int>(earlier_index) == train ? test : train);
      const Block& earlier = blocks[earlier_index];
      const Block& later = blocks[later_index];
      const double gap_s = later.onset_s - earlier.end_s;
      const auto last = last_centre[earlier_index];
      std::string reason;
      if (gap_s < sampled.delay_s - kTimeTolerance_s) {
        reason = fmt::format("the gap is {:g} s, expected at least the delay of {:g} s", gap_s, sampled.delay_s);
      } else if (last && *last >= later.onset_s - kTimeTolerance_s) {
        reason = fmt::format("the earlier one is sampled up to {:g} s, when the later one has begun", *last);
      }
      if (reason.empty()) continue;
      report.violations.push_back({"gap", fold.name,
                                   fmt::format("a training and a test block are too close: {} and {}: {}",
                                               describe(earlier, runs), describe(later, runs), reason)});
    }
  }
}

void check_within_runs(LeakageReport& report, const Split& split, const Runs& runs, const Blocks& blocks,
                       const std::function<SampledFold(int)>& samples_of) {
  report.checks.push_back("no block on both sides of a fold");
  report.checks.push_back("no volume in a training and a test sample");
  report.checks.push_back("training and test blocks of a run at least the delay apart, sampled windows closed before");
  for (std::size_t f = 0; f < split.folds.size(); ++f) {
    check_cancelled();
    const Fold& fold = split.folds[f];
    const SampledFold sampled = samples_of(static_cast<int>(f));
    const Sides sides = sides_of(split, fold, sampled.samples);
    check_blocks(report, fold, sides, runs, blocks);
    check_volumes(report, split, fold, sides, sampled.samples, runs);
    check_gaps(report, fold, sides, sampled, runs, blocks);
  }
}

std::vector<std::string> hashes_of_runs(const Runs& runs) {
  std::vector<std::string> hashes(runs.size());
  parallel_tasks(static_cast<std::int64_t>(runs.size()), [&](std::int64_t r) {
    const MatrixF& values = runs[static_cast<std::size_t>(r)].series.values;
    Hasher hasher;
    hasher.add(fmt::format("{} {}\n", values.rows(), values.cols()));
    hasher.add(std::as_bytes(std::span(values.data(), static_cast<std::size_t>(values.size()))));
    hashes[static_cast<std::size_t>(r)] = hasher.digest();
  });
  return hashes;
}

void check_duplicates(LeakageReport& report, const Split& split, const Runs& runs, const Blocks& blocks,
                      const std::function<SampledFold(int)>& samples_of) {
  report.checks.push_back("no two runs with equal data on both sides of a fold");
  const std::vector<std::string> hashes = hashes_of_runs(runs);
  if (std::set<std::string>(hashes.begin(), hashes.end()).size() == hashes.size()) return;
  for (std::size_t f = 0; f < split.folds.size(); ++f) {
    const Sides sides = sides_of(split, static_cast<int>(f), samples_of);
    std::multimap<std::string, int> trained;
    for (int run : runs_of(sides.train, blocks)) trained.emplace(hashes[static_cast<std::size_t>(run)], run);
    for (int test : runs_of(sides.test, blocks)) {
      const auto [begin, end] = trained.equal_range(hashes[static_cast<std::size_t>(test)]);
      for (auto twin = begin; twin != end; ++twin) {
        if (twin->second == test) continue;
        report.violations.push_back(
            {"duplicate", split.folds[f].name,
             fmt::format("run '{}' (tested on) and run '{}' (trained on) hold the same data",
                         runs[static_cast<std::size_t>(test)].id, runs[static_cast<std::size_t>(twin->second)].id)});
      }
    }
  }
}

}  // namespace

LeakageReport check_leakage(const Split& split, const std::vector<LearningRun>& runs, const std::vector<Block>& blocks,
                            const std::function<SampledFold(int fold)>& samples_of) {
  LeakageReport report;
  report.unit = split.unit == "given" ? unit_of_given(split, runs, blocks) : split.unit;
  const bool divides_runs = report.unit == "block" || report.unit == "occurrence" || split.leaks;
  if (divides_runs) {
    check_within_runs(report, split, runs, blocks, samples_of);
  } else {
    check_groups(report, split, runs, blocks);
  }
  check_unit_of_labels(report, split, runs, blocks, samples_of);
  check_duplicates(report, split, runs, blocks, samples_of);
  return report;
}

void require_no_leakage(LeakageReport& report, bool allow) {
  constexpr std::size_t kShown = 3;
  if (report.violations.empty()) return;
  const std::size_t count = report.violations.size();
  std::string text = fmt::format("the split by {} leaks ({} violation{})", report.unit, count, count == 1 ? "" : "s");
  for (std::size_t i = 0; i < std::min(kShown, count); ++i) {
    text += fmt::format("{} fold '{}': {}", i == 0 ? ":" : ";", report.violations[i].fold, report.violations[i].text);
  }
  if (count > kShown) text += fmt::format("; and {} more", count - kShown);
  if (!allow) {
    throw DataError(text +
                    ". Choose a split that leaves larger units out, or allow it with --allow-leakage: results then "
                    "say that they are flattered");
  }
  report.allowed = true;
  log_warning(text + "; allowed on request");
}

}  // namespace noema
