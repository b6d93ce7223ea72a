#include "noema/learn/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"

namespace noema {
namespace {

using Runs = std::shared_ptr<const std::vector<LearningRun>>;

std::vector<int> all_blocks(const LearningProblem& problem) {
  std::vector<int> all(problem.blocks.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// Delay and samples of folds, each from its own training blocks.
class Sampler {
 public:
  explicit Sampler(const LearningProblem& problem) : problem_(problem) {
    if (problem.unit != SampleUnit::runs && problem.rule.delay != DelayKind::none)
      estimator_.emplace(*problem.runs, problem.blocks);
  }

  FoldData sampled(std::span<const int> train_blocks) const {
    FoldData data;
    if (estimator_) {
      data.estimate = estimator_->estimate(train_blocks);
      if (problem_.rule.delay == DelayKind::automatic) data.delay_s = data.estimate.delay_s;
      if (problem_.rule.delay == DelayKind::fixed) data.delay_s = problem_.rule.delay_s;
    }
    data.samples = make_samples(*problem_.runs, problem_.blocks, problem_.unit, problem_.rule, data.delay_s);
    return data;
  }

 private:
  const LearningProblem& problem_;
  std::optional<DelayEstimator> estimator_;
};

int blocks_without_sample(const Fold& fold, const std::vector<Sample>& samples) {
  std::set<int> sampled;
  for (const Sample& sample : samples) sampled.insert(sample.block);
  const auto missing = [&](int block) { return !sampled.contains(block); };
  return static_cast<int>(std::count_if(fold.train.begin(), fold.train.end(), missing) +
                          std::count_if(fold.test.begin(), fold.test.end(), missing));
}

void sample_folds(LearningProblem& problem, const Sampler& sampler) {
  for (std::size_t f = 0; f < problem.split.folds.size(); ++f) {
    check_cancelled();
    const Fold& fold = problem.split.folds[f];
    FoldData data = with_context(fmt::format("preparing fold '{}'", fold.name), [&] {
      FoldData made = sampler.sampled(fold.train);
      FoldSamples sides = samples_of_fold(problem.split, static_cast<int>(f), made.samples, problem.labels);
      made.train = std::move(sides.train);
      made.test = std::move(sides.test);
      return made;
    });
    data.name = fold.name;
    data.dropped_blocks = blocks_without_sample(fold, data.samples);
    problem.folds.push_back(std::move(data));
  }
}

/// One delay and one list of samples for all folds, which hold samples instead of blocks.
void shuffle_folds(LearningProblem& problem, const Sampler& sampler, const ProblemOptions& options) {
  const FoldData all = sampler.sampled(all_blocks(problem));
  problem.split = shuffled_split(all.samples, options.shuffled_folds, options.seed);
  for (std::size_t f = 0; f < problem.split.folds.size(); ++f) {
    FoldData data = all;
    data.name = problem.split.folds[f].name;
    FoldSamples sides = samples_of_fold(problem.split, static_cast<int>(f), data.samples, problem.labels);
    data.train = std::move(sides.train);
    data.test = std::move(sides.test);
    problem.folds.push_back(std::move(data));
  }
}

void warn_of_delay(const LearningProblem& problem) {
  if (problem.rule.delay != DelayKind::fixed || problem.unit == SampleUnit::runs) return;
  std::string first;
  int count = 0;
  for (const FoldData& fold : problem.folds) {
    const std::string text = delay_disagreement(fold.estimate, problem.rule.delay_s);
    if (text.empty()) continue;
    if (first.empty()) first = fmt::format("fold '{}': {}", fold.name, text);
    ++count;
  }
  if (count > 0) log_warning(fmt::format("{} (in {} of {} folds)", first, count, problem.folds.size()));
}

SampleSet set_of(const LearningProblem& problem, const FoldData& fold, const std::vector<int>& indices,
                 const Runs& runs) {
  SampleSet set{runs ? runs : problem.runs, {}, problem.labels.count()};
  set.samples.reserve(indices.size());
  for (const int index : indices) set.samples.push_back(fold.samples.at(static_cast<std::size_t>(index)));
  return set;
}

}  // namespace

SampleSet LearningProblem::train_set(int fold, const Runs& of) const {
  const FoldData& data = folds.at(static_cast<std::size_t>(fold));
  return set_of(*this, data, data.train, of);
}

SampleSet LearningProblem::test_set(int fold, const Runs& of) const {
  const FoldData& data = folds.at(static_cast<std::size_t>(fold));
  return set_of(*this, data, data.test, of);
}

std::vector<int> samples_per_label(const FoldData& fold, const std::vector<int>& indices, const LabelTable& labels) {
  std::vector<int> counts(labels.names.size(), 0);
  for (const int index : indices) {
    ++counts.at(static_cast<std::size_t>(fold.samples.at(static_cast<std::size_t>(index)).label));
  }
  return counts;
}

LearningProblem make_problem(Runs runs, const LabelRule& rule, const ProblemOptions& options) {
  if (!runs || runs->empty()) throw UsageError("a learning problem needs at least one run, found none");
  rule.validate();
  LearningProblem problem;
  problem.runs = std::move(runs);
  problem.rule = rule;
  problem.labels = make_label_table(*problem.runs, rule);
  problem.blocks = find_blocks(*problem.runs, problem.labels, rule);
  if (options.shuffled_folds > 0) {
    problem.unit = options.unit.value_or(SampleUnit::volumes);
    shuffle_folds(problem, Sampler(problem), options);
  } else {
    problem.split = make_split(*problem.runs, problem.blocks, problem.labels, options.split);
    problem.unit = options.unit ? *options.unit : choose_unit(problem.split, problem.blocks, problem.labels);
    sample_folds(problem, Sampler(problem));
  }
  warn_of_delay(problem);
  problem.leakage = check_leakage(problem.split, *problem.runs, problem.blocks, [&](int fold) {
    const FoldData& data = problem.folds.at(static_cast<std::size_t>(fold));
    return SampledFold{data.samples, data.delay_s};
  });
  require_no_leakage(problem.leakage, options.allow_leakage);
  return problem;
}

LearningProblem make_unsplit_problem(Runs runs, LabelTable labels, const LabelRule& rule,
                                     std::optional<SampleUnit> unit) {
  if (!runs || runs->empty()) throw UsageError("a learning problem needs at least one run, found none");
  LearningProblem problem;
  problem.runs = std::move(runs);
  problem.rule = rule;
  problem.labels = std::move(labels);
  problem.blocks = find_blocks(*problem.runs, problem.labels, rule);
  const std::vector<int> everything = all_blocks(problem);
  // What a model fitted on everything would be trained on decides the unit.
  problem.unit =
      unit ? *unit : choose_unit({"none", "", false, {{"all", everything, {}}}}, problem.blocks, problem.labels);
  problem.split = {"none", "", false, {{"all", {}, everything}}};
  FoldData data = Sampler(problem).sampled(everything);
  data.name = "all";
  data.test.resize(data.samples.size());
  std::iota(data.test.begin(), data.test.end(), 0);
  data.dropped_blocks = blocks_without_sample(problem.split.folds.front(), data.samples);
  problem.folds.push_back(std::move(data));
  warn_of_delay(problem);
  return problem;
}

AllSamples all_samples(const LearningProblem& problem) {
  FoldData all = Sampler(problem).sampled(all_blocks(problem));
  return {std::move(all.estimate), all.delay_s, {problem.runs, std::move(all.samples), problem.labels.count()}};
}

}  // namespace noema
