#include "noema/learn/splits.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "noema/core/error.h"
#include "noema/core/hash.h"
#include "noema/core/random.h"
#include "noema/io/table.h"

namespace noema {
namespace {

/// Folds from the fold that tests each block; a block with −1 is only trained on.
std::vector<Fold> partition(const std::vector<int>& test_fold, const std::vector<std::string>& names) {
  std::vector<Fold> folds;
  for (std::size_t f = 0; f < names.size(); ++f) {
    Fold fold{names[f], {}, {}};
    for (std::size_t i = 0; i < test_fold.size(); ++i) {
      (test_fold[i] == static_cast<int>(f) ? fold.test : fold.train).push_back(static_cast<int>(i));
    }
    folds.push_back(std::move(fold));
  }
  return folds;
}

/// One fold for each distinct key, in sorted order.
std::vector<Fold> one_fold_per_key(const std::vector<std::string>& keys) {
  const std::set<std::string> distinct(keys.begin(), keys.end());
  const std::vector<std::string> names(distinct.begin(), distinct.end());
  std::vector<int> test_fold;
  for (const std::string& key : keys) {
    test_fold.push_back(static_cast<int>(std::lower_bound(names.begin(), names.end(), key) - names.begin()));
  }
  return partition(test_fold, names);
}

const LearningRun& run_of(const Block& block, const std::vector<LearningRun>& runs) {
  return runs[static_cast<std::size_t>(block.run)];
}

/// @throws UsageError unless there are two different ones
void require_subjects(const std::vector<std::string>& subjects) {
  if (std::set(subjects.begin(), subjects.end()).size() >= 2) return;
  throw UsageError(
      fmt::format("leaving subjects out needs at least 2 subjects, found only '{}'; with one subject leave "
                  "runs out (split `run`) or, with one run, occurrences (split `occurrence`)",
                  subjects.empty() ? "" : subjects[0]));
}

/// @throws UsageError unless there are two different ones
void require_runs(const std::vector<std::string>& ids) {
  if (std::set(ids.begin(), ids.end()).size() >= 2) return;
  throw UsageError(
      fmt::format("leaving runs out needs at least 2 runs with events, found only '{}'; with one run leave "
                  "occurrences out (split `occurrence`)",
                  ids.empty() ? "" : ids[0]));
}

void require_groups(std::size_t groups, const SplitOptions& options) {
  if (options.folds >= 2 && static_cast<std::size_t>(options.folds) <= groups) return;
  throw UsageError(
      fmt::format("{} folds were asked for, but there are {} groups by '{}'; expected at least 2 folds and at "
                  "least one group for each",
                  options.folds, groups, options.group));
}

Split leave_one_subject_out(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks) {
  std::vector<std::string> subjects;
  for (const Block& block : blocks) subjects.push_back(run_of(block, runs).subject);
  require_subjects(subjects);
  return {"subject", "", false, one_fold_per_key(subjects)};
}

Split leave_one_run_out(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks) {
  std::vector<std::string> ids;
  for (const Block& block : blocks) ids.push_back(run_of(block, runs).id);
  require_runs(ids);
  return {"run", "", false, one_fold_per_key(ids)};
}

Split leave_one_block_out(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks,
                          const LabelTable& labels) {
  std::vector<int> test_fold(blocks.size());
  std::iota(test_fold.begin(), test_fold.end(), 0);
  std::vector<std::string> names;
  for (const Block& block : blocks) {
    names.push_back(fmt::format("{} {} {}", run_of(block, runs).id, labels.names[static_cast<std::size_t>(block.label)],
                                block.occurrence + 1));
  }
  return {"block", "", false, partition(test_fold, names)};
}

Split leave_occurrences_out(const std::vector<Block>& blocks) {
  std::vector<int> occurrences;
  for (const Block& block : blocks) occurrences.push_back(block.occurrence);
  const int count = occurrences.empty() ? 0 : *std::max_element(occurrences.begin(), occurrences.end()) + 1;
  if (count < 2) {
    throw UsageError(
        "leaving occurrences out needs labels that come back: every label has only one block in its run. "
        "Leave runs or subjects out, or give more data");
  }
  std::vector<std::string> names;
  for (int o = 0; o < count; ++o) names.push_back(fmt::format("occurrence {}", o + 1));
  return {"occurrence", "", false, partition(occurrences, names)};
}

/// The fold of each group: the largest group first, each to the fold with the fewest blocks.
std::map<std::string, int> deal_groups(const std::map<std::string, int>& blocks_of_group, int folds) {
  std::vector<std::pair<std::string, int>> order(blocks_of_group.begin(), blocks_of_group.end());
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<int> load(static_cast<std::size_t>(folds), 0);
  std::map<std::string, int> fold_of_group;
  for (const auto& [group, count] : order) {
    const auto lightest = std::min_element(load.begin(), load.end());
    *lightest += count;
    fold_of_group[group] = static_cast<int>(lightest - load.begin());
  }
  return fold_of_group;
}

Split group_folds(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks, const SplitOptions& options) {
  std::map<std::string, int> blocks_of_group;
  for (const Block& block : blocks) ++blocks_of_group[group_of_run(run_of(block, runs), options.group)];
  require_groups(blocks_of_group.size(), options);
  const std::map<std::string, int> fold_of_group = deal_groups(blocks_of_group, options.folds);
  std::vector<int> test_fold;
  for (const Block& block : blocks)
    test_fold.push_back(fold_of_group.at(group_of_run(run_of(block, runs), options.group)));
  std::vector<std::string> names;
  for (int f = 0; f < options.folds; ++f) names.push_back(fmt::format("fold {}", f + 1));
  return {"group", options.group, false, partition(test_fold, names)};
}

std::string default_unit(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks) {
  std::set<std::string> subjects;
  std::set<int> used_runs;
  for (const Block& block : blocks) {
    subjects.insert(run_of(block, runs).subject);
    used_runs.insert(block.run);
  }
  if (subjects.size() > 1) return "subject";
  return used_runs.size() > 1 ? "run" : "occurrence";
}

Split make_unchecked(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks, const LabelTable& labels,
                     const SplitOptions& options) {
  const std::string unit = options.unit == "auto" ? default_unit(runs, blocks) : options.unit;
  if (unit == "subject") return leave_one_subject_out(runs, blocks);
  if (unit == "run") return leave_one_run_out(runs, blocks);
  if (unit == "block") return leave_one_block_out(runs, blocks, labels);
  if (unit == "occurrence") return leave_occurrences_out(blocks);
  if (unit == "group") return group_folds(runs, blocks, options);
  throw UsageError(
      fmt::format("unknown split '{}'; expected auto, subject, run, block, occurrence, group or given", unit));
}

}  // namespace

std::string group_of_run(const LearningRun& run, const std::string& group) {
  if (group == "subject") return run.subject;
  if (group == "session") return run.subject + " " + run.session;
  if (group == "run") return run.id;
  if (const auto found = run.groups.find(group); found != run.groups.end()) return found->second;
  std::vector<std::string> known{"subject", "session", "run"};
  for (const auto& [name, value] : run.groups) known.push_back(name);
  throw DataError(fmt::format("run '{}' has no group '{}'; it has {}", run.id, group, fmt::join(known, ", ")));
}

std::string unit_of_labels(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks) {
  for (const char* unit : {"subject", "session", "run"}) {
    std::map<std::string, int> label_of;
    const auto agrees = [&](const Block& block) {
      return label_of.emplace(group_of_run(run_of(block, runs), unit), block.label).first->second == block.label;
    };
    if (std::all_of(blocks.begin(), blocks.end(), agrees)) return unit;
  }
  return "block";
}

Split make_split(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks, const LabelTable& labels,
                 const SplitOptions& options) {
  if (options.unit == "given") return read_split(options.file, runs, blocks, labels);
  Split split = make_unchecked(runs, blocks, labels, options);
  check_split(split, blocks, labels);
  return split;
}

void check_split_options(const std::vector<LearningRun>& runs, const SplitOptions& options) {
  std::vector<std::string> subjects, ids;
  for (const LearningRun& run : runs) {
    subjects.push_back(run.subject);
    ids.push_back(run.id);
  }
  if (options.unit == "subject") require_subjects(subjects);
  if (options.unit == "run") require_runs(ids);
  if (options.unit == "given") read_table(options.file);
  if (options.unit != "group") return;
  std::set<std::string> groups;
  for (const LearningRun& run : runs) groups.insert(group_of_run(run, options.group));
  require_groups(groups.size(), options);
}

Split shuffled_split(const std::vector<Sample>& samples, int folds, std::uint64_t seed) {
  if (folds < 2 || static_cast<std::size_t>(folds) > samples.size()) {
    throw UsageError(
        fmt::format("{} folds were asked for of {} samples; expected at least 2 folds and at least one sample "
                    "for each",
                    folds, samples.size()));
  }
  const auto order = RandomStream(seed, "shuffled split").permutation(static_cast<std::int64_t>(samples.size()));
  std::vector<int> test_fold(samples.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    test_fold[static_cast<std::size_t>(order[i])] = static_cast<int>(i % static_cast<std::size_t>(folds));
  }
  std::vector<std::string> names;
  for (int f = 0; f < folds; ++f) names.push_back(fmt::format("fold {}", f + 1));
  return {"sample", "", true, partition(test_fold, names)};
}

void check_split(const Split& split, const std::vector<Block>& blocks, const LabelTable& labels) {
  if (split.leaks) throw UsageError("a split over samples cannot be checked by blocks");
  const bool has_rest = split.unit == "given" && split.folds.size() == 1;
  if (split.folds.size() < 2 && !has_rest) {
    throw DataError(fmt::format("a split needs at least 2 folds, found {}", split.folds.size()));
  }
  for (const Fold& fold : split.folds) {
    if (fold.test.empty()) throw DataError(fmt::format("fold '{}' has no block to test", fold.name));
    std::vector<int> counts(labels.names.size(), 0);
    for (const std::vector<int>* side : {&fold.train, &fold.test}) {
      for (int block : *side) {
        if (block >= 0 && static_cast<std::size_t>(block) < blocks.size()) continue;
        throw ShapeError(
            fmt::format("fold '{}' names block {}, but there are {} blocks", fold.name, block, blocks.size()));
      }
    }
    for (int block : fold.train) ++counts[static_cast<std::size_t>(blocks[static_cast<std::size_t>(block)].label)];
    for (std::size_t label = 0; label < counts.size(); ++label) {
      if (counts[label] > 0) continue;
      throw DataError(
          fmt::format("fold '{}' has no training block of the label '{}', so a model could never give it; choose "
                      "labels that occur in every training fold (conditions) or another split",
                      fold.name, labels.names[label]));
    }
  }
}

std::vector<int> test_fold_of_blocks(const Split& split, std::size_t blocks) {
  if (split.leaks) throw UsageError("a split over samples does not send whole blocks to folds");
  std::vector<int> test_fold(blocks, -1);
  for (std::size_t f = 0; f < split.folds.size(); ++f) {
    for (int block : split.folds[f].test) test_fold.at(static_cast<std::size_t>(block)) = static_cast<int>(f);
  }
  return test_fold;
}

FoldSamples samples_of_fold(const Split& split, int fold, const std::vector<Sample>& samples,
                            const LabelTable& labels) {
  const Fold& source = split.folds.at(static_cast<std::size_t>(fold));
  FoldSamples chosen;
  if (split.leaks) {
    chosen = {source.train, source.test};
  } else {
    const std::set<int> train(source.train.begin(), source.train.end()), test(source.test.begin(), source.test.end());
    for (std::size_t i = 0; i < samples.size(); ++i) {
      if (train.contains(samples[i].block)) chosen.train.push_back(static_cast<int>(i));
      if (test.contains(samples[i].block)) chosen.test.push_back(static_cast<int>(i));
    }
  }
  if (chosen.test.empty()) throw DataError(fmt::format("fold '{}' has no sample to test", source.name));
  std::vector<int> counts(labels.names.size(), 0);
  for (int sample : chosen.train)
    ++counts[static_cast<std::size_t>(samples.at(static_cast<std::size_t>(sample)).label)];
  for (std::size_t label = 0; label < counts.size(); ++label) {
    if (counts[label] > 0) continue;
    throw DataError(fmt::format("fold '{}' has no training sample of the label '{}': its blocks keep no volume",
                                source.name, labels.names[label]));
  }
  return chosen;
}

std::string hash_split(const Split& split, const std::vector<LearningRun>& runs, const std::vector<Block>& blocks,
                       const LabelTable& labels) {
  const auto text_of = [&](std::string_view side, int member) {
    if (split.leaks) return fmt::format("{} {}\n", side, member);
    const Block& block = blocks.at(static_cast<std::size_t>(member));
    const LearningRun& run = run_of(block, runs);
    return fmt::format("{}\t{}\t{}\t{}\t{:.3f}\t{}\n", side, run.subject, run.session, run.run, block.onset_s,
                       labels.names[static_cast<std::size_t>(block.label)]);
  };
  std::set<std::string> folds;  // sorted: the order of the folds does not matter
  for (const Fold& fold : split.folds) {
    Hasher hasher;
    hasher.add(fmt::format("fold {}\n", fold.name));
    for (int member : fold.train) hasher.add(text_of("train", member));
    for (int member : fold.test) hasher.add(text_of("test", member));
    folds.insert(hasher.digest());
  }
  return hash_text(fmt::format("{}{}", split.leaks ? "samples" : "blocks", fmt::join(folds, "")));
}

}  // namespace noema
