// Workflows: with nothing learned they are the classical pipeline; learned blocks have exact gradients; what is wrong
// is said with found and expected.
#include "noema/connectomics/workflow.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "gradient_check.h"
#include "noema/connectomics/connectivity.h"
#include "noema/connectomics/covariance.h"
#include "noema/connectomics/workflow_losses.h"
#include "noema/core/error.h"
#include "noema/learn/tensors.h"
#include "noema/preprocess/clean.h"
#include "noema/preprocess/regions.h"

namespace noema {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kVoxels = 24, kFrames = 120, kParcels = 5, kConfounds = 3;
constexpr double kTr = 2;

at::Tensor some_labels() {
  // With gaps, in no order, and two voxels without a parcel.
  static constexpr std::int64_t kIds[kParcels] = {40, 7, 3, 100, 12};
  std::vector<std::int64_t> labels;
  for (std::int64_t v = 0; v < kVoxels; ++v) labels.push_back(v % 11 == 5 ? -1 : kIds[(3 * v) % kParcels]);
  return at::tensor(labels, at::kLong);
}

RunSeries some_run(double seed, bool censored = true) {
  RunSeries run;
  const at::Tensor time = at::arange(kFrames, at::kDouble);
  run.confounds = made_up({kConfounds, kFrames}, seed + 1) + 0.02 * time;
  run.values = made_up({kVoxels, kFrames}, seed) + 0.5 * (0.2 * time).sin() + 0.03 * time + 100 +
               made_up({kVoxels, kConfounds}, seed + 2).matmul(run.confounds);
  run.keep = at::ones({kFrames}, at::kBool);
  if (censored) {
    for (const int t : {0, 1, 30, 31, 32, 77, 119}) run.keep[t] = false;
  }
  return run;
}

std::vector<RunSeries> some_runs(bool censored = true) {
  return {some_run(1, censored), some_run(5, censored), some_run(9, censored)};
}

WorkflowInput some_input() {
  WorkflowInput input;
  input.features = kVoxels;
  input.confounds = kConfounds;
  input.tr_s = kTr;
  input.labels = some_labels();
  return input;
}

BlockDescription block(const std::string& type, Settings settings = {}, bool learn = false) {
  BlockDescription description;
  description.type = type;
  description.settings = std::move(settings);
  description.learn = learn;
  return description;
}

std::vector<BlockDescription> butterworth_cleaning() {
  return {block("interpolate"), block("detrend"),    block("filter", {{"high-pass", 0.01}, {"low-pass", 0.1}}),
          block("regress"),     block("parcellate"), block("standardise")};
}

/// Means of labels, then `clean`: (P, kept T).
at::Tensor classical(const RunSeries& run, const CleanOptions& options) {
  const at::Tensor labels = some_labels();
  std::vector<std::int32_t> region;
  for (std::int64_t v = 0; v < kVoxels; ++v) {
    static const std::vector<std::int64_t> kAscending{3, 7, 12, 40, 100};
    const auto at = std::find(kAscending.begin(), kAscending.end(), labels[v].item<std::int64_t>());
    region.push_back(at == kAscending.end() ? -1 : static_cast<std::int32_t>(at - kAscending.begin()));
  }
  const Regions regions(region, kParcels);
  const MatrixD voxels = to_matrix(run.values.t().contiguous());
  MatrixD means(kFrames, kParcels);
  std::vector<std::uint8_t> keep;
  std::vector<int> kept;
  for (int t = 0; t < kFrames; ++t) {
    regions.apply(std::span<const double>(voxels.row(t).data(), kVoxels), RegionStatistic::mean,
                  std::span<double>(means.row(t).data(), kParcels));
    keep.push_back(run.keep[t].item<bool>());
    if (keep.back()) kept.push_back(t);
  }
  const MatrixD cleaned = clean(means, to_matrix(run.confounds.t().contiguous()), keep, options);
  const MatrixD rows = cleaned(kept, Eigen::all).transpose();
  return tensor_of(rows);
}

at::Tensor kept_of(const RunSeries& run) { return run.values.index_select(-1, run.keep.nonzero().flatten()); }

CleanOptions cleaning(TemporalFilter filter) {
  CleanOptions options;
  options.filter = filter;
  if (filter != TemporalFilter::none) options.high_pass_hz = 0.01;
  if (filter == TemporalFilter::butterworth) options.low_pass_hz = 0.1;
  options.tr_s = kTr;
  return options;
}

struct ClassicalCase {
  const char* name;
  std::vector<BlockDescription> blocks;
  CleanOptions options;
};

TEST(Workflow, FixedItIsTheClassicalCleaning) {
  CleanOptions population = cleaning(TemporalFilter::none);
  population.standardize = Standardize::zscore_population;
  population.detrend = false;
  const std::vector<ClassicalCase> cases = {
      {"butterworth", butterworth_cleaning(), cleaning(TemporalFilter::butterworth)},
      {"cosine",
       {block("cosine-drifts", {{"high-pass", 0.01}}), block("interpolate", {{"method", std::string("drop")}}),
        block("detrend"), block("regress"), block("parcellate"), block("standardise")},
       cleaning(TemporalFilter::cosine)},
      {"plain",
       {block("parcellate"), block("regress"), block("standardise", {{"by", std::string("zscore-population")}})},
       population}};
  for (const ClassicalCase& one : cases) {
    for (const bool censored : {false, true}) {
      Workflow workflow({one.blocks}, some_input());
      const std::vector<RunSeries> runs = some_runs(censored);
      const WorkflowOutputs outputs = workflow.forward(runs);
      for (std::size_t r = 0; r < runs.size(); ++r) {
        const at::Tensor found = kept_of(outputs.at("standardise").runs[r]);
        const at::Tensor expected = classical(runs[r], one.options);
        ASSERT_EQ(found.sizes(), expected.sizes()) << one.name;
        EXPECT_LT(largest_difference(found, expected), 1e-8) << one.name << (censored ? ", censored" : "");
      }
    }
  }
}

TEST(Workflow, FixedItGivesTheMatricesOfConnectivity) {
  const std::vector<RunSeries> runs = some_runs();
  std::vector<at::Tensor> series;
  for (const RunSeries& run : runs) series.push_back(classical(run, cleaning(TemporalFilter::butterworth)));
  for (const char* estimator : {"ledoit-wolf", "oas", "empirical"}) {
    for (const std::string& kind : connectivity_kind_names()) {
      std::vector<BlockDescription> blocks = butterworth_cleaning();
      blocks.push_back(block("covariance", {{"estimator", std::string(estimator)}}));
      if (kind == "tangent")
        blocks.push_back(block("tangent", {{"mean", std::string("published")}}));
      else if (kind != "covariance")
        blocks.push_back(block(kind));
      Workflow workflow({blocks}, some_input());
      workflow.calibrate(runs);
      const at::Tensor found = workflow.forward(runs).at(workflow.last_block(FlowKind::matrices)).tensor;
      ConnectivityOptions options{connectivity_kind(kind), covariance_estimator(estimator)};
      options.published = true;
      const at::Tensor expected = measure_connectivity(series, {}, options).matrices;
      EXPECT_LT(largest_difference(found, expected), 1e-8 * expected.abs().max().item<double>())
          << kind << " " << estimator;
    }
  }
}

TEST(Workflow, GoesInBranchesAndTakesRunsOfAnyLength) {
  WorkflowDescription description{butterworth_cleaning()};
  description.blocks.push_back(block("covariance"));
  description.blocks.push_back(block("correlation"));
  BlockDescription other = block("tangent");
  other.input = "covariance";
  description.blocks.push_back(other);
  description.blocks.push_back(block("vectorise", {{"diagonal", std::string("scaled")}}));
  Workflow workflow(description, some_input());
  std::vector<RunSeries> runs = some_runs();
  RunSeries& shorter = runs[1];
  shorter.values = shorter.values.slice(1, 0, 90);
  shorter.confounds = shorter.confounds.slice(1, 0, 90);
  shorter.keep = shorter.keep.slice(0, 0, 90);
  workflow.calibrate(runs);
  const WorkflowOutputs outputs = workflow.forward(runs);
  EXPECT_EQ(outputs.at("vectorise").tensor.sizes(), (std::vector<std::int64_t>{3, 15}));
  EXPECT_LT(outputs.at("tangent").tensor.sum(0).abs().max().item<double>(), 1e-10);
  EXPECT_LT(largest_difference(outputs.at("correlation").tensor.diagonal(0, 1, 2), at::ones({3, 5}, at::kDouble)),
            1e-15);
}

/// All that can be learned in one chain.
WorkflowDescription learned() {
  return {{block("interpolate"), block("detrend"),
           block("filter", {{"method", std::string("response")}, {"high-pass", 0.01}, {"low-pass", 0.1}}, true),
           block("regress", {{"combinations", 2.0}}, true), block("parcellate", {}, true), block("standardise"),
           block("covariance", {{"estimator", std::string("shrunk")}}, true), block("tangent", {}, true),
           block("vectorise", {{"diagonal", std::string("scaled")}}), block("readout")},
          {{"cross-entropy"},
           {"qc-fc", "vectorise", {{"weight", 2.0}}},
           {"homogeneity"},
           {"unexplained-variance"},
           {"entropy", "", {{"weight", 0.5}}},
           {"compactness", "", {{"weight", 0.01}}},
           {"imbalance"},
           {"roughness"},
           {"norm", "", {{"weight", 0.1}}}}};
}

struct Learned {
  std::vector<RunSeries> runs = some_runs();
  WorkflowTargets targets;
  std::shared_ptr<Workflow> workflow;

  Learned() {
    WorkflowInput input = some_input();
    input.outputs = 2;
    input.confound_names = {"x", "y", "z"};
    input.parcel_names = {"a", "b", "c", "d", "e"};
    workflow = std::make_shared<Workflow>(learned(), input);
    workflow->calibrate(runs);
    targets.classes = at::tensor(std::vector<std::int64_t>{0, 1, 1}, at::kLong);
    targets.quality = at::tensor({0.1, 0.4, 0.2}, at::kDouble);
    targets.coordinates = made_up({kVoxels, 3}, 3) * 50;
  }
  at::Tensor loss() const {
    const WorkflowOutputs outputs = workflow->forward(runs);
    return evaluate_losses(workflow_losses(*workflow, outputs, targets), 0).total;
  }
};

TEST(Workflow, EveryParameterHasAnExactGradient) {
  Learned all;
  {
    const at::NoGradGuard no_gradients;
    int n = 0;
    for (auto& item : all.workflow->named_parameters()) item.value().add_(0.05 * made_up(item.value().sizes(), ++n));
  }
  all.loss().backward();
  const at::NoGradGuard no_gradients;
  for (auto& item : all.workflow->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    const at::Tensor direction = made_up(item.value().sizes(), 11);
    const double expected = (item.value().grad() * direction).sum().item<double>();
    constexpr double kStep = 1e-5;
    item.value().add_(direction, kStep);
    const double above = all.loss().item<double>();
    item.value().add_(direction, -2 * kStep);
    const double below = all.loss().item<double>();
    item.value().add_(direction, kStep);
    EXPECT_NEAR((above - below) / (2 * kStep), expected, 1e-6 * std::max(1.0, std::abs(expected))) << item.key();
    EXPECT_GT(std::abs(expected), 1e-9) << item.key() << " does not matter";
  }
}

// A parcel of 16 voxels beside ones of four, one and one, and two voxels of none.
TEST(Workflow, LossesOfParcelsCountVoxels) {
  WorkflowInput input = some_input();
  std::vector<std::int64_t> labels(kVoxels, 1);
  for (const std::size_t v : {2, 3, 8, 21}) labels[v] = 2;
  labels[5] = 3;
  labels[11] = 4;
  labels[0] = labels[14] = -1;
  input.labels = at::tensor(labels, at::kLong);
  input.parcel_names = {"a", "b", "c", "d"};
  const WorkflowDescription description{{block("detrend"), block("parcellate")},
                                        {{"homogeneity"}, {"unexplained-variance"}}};
  const Workflow workflow(description, input);
  const std::vector<RunSeries> runs = some_runs();
  const WorkflowOutputs outputs = workflow.forward(runs);
  double left = 0, alike = 0;
  for (const RunSeries& run : outputs.at("detrend").runs) {
    const at::Tensor x = run.values.index_select(1, run.keep.nonzero().flatten());
    at::Tensor within = at::zeros({x.size(1)}, at::kDouble);
    std::vector<at::Tensor> members;
    for (const std::int64_t parcel : {1, 2, 3, 4}) {
      members.push_back((input.labels == parcel).nonzero().flatten());
      const at::Tensor own = x.index_select(0, members.back());
      within = within + (own - own.mean(0)).square().sum(0);
      const auto size = static_cast<double>(own.size(0));
      const double pairs = size == 1 ? 1 : (correlation(own).sum().item<double>() - size) / (size * (size - 1));
      alike += pairs * size / 22 / 3;
    }
    const at::Tensor labelled = x.index_select(0, at::cat(members));
    left += (within / (labelled - labelled.mean(0)).square().sum(0)).mean().item<double>() / 3;
  }
  const std::vector<LossTerm> losses = workflow_losses(workflow, outputs, {});
  EXPECT_NEAR(losses[0].value().item<double>(), 1 - alike, 1e-12);
  EXPECT_NEAR(losses[1].value().item<double>(), left, 1e-12);
}

TEST(Workflow, LearnedBlocksStartNearTheClassicalOnes) {
  const Learned all;
  const WorkflowOutputs outputs = all.workflow->forward(all.runs);
  const at::Tensor weights = all.workflow->block("parcellate").quantities().at("weights");
  EXPECT_LT(largest_difference(weights.sum(0), some_labels().ge(0).to(at::kDouble)), 1e-12);
  EXPECT_EQ(weights.argmax(0)[0].item<std::int64_t>(), 3);  // label 40 is the fourth by size
  EXPECT_LT(outputs.at("tangent").tensor.sum(0).abs().max().item<double>(), 1e-6);
  EXPECT_EQ(outputs.at("readout").tensor.abs().max().item<double>(), 0);
}

TEST(Workflow, VoxelsWithoutALabelAreOfNoLearnedParcel) {
  const Learned all;
  std::vector<RunSeries> other = all.runs;
  for (RunSeries& run : other) {
    run.values = run.values.clone();
    run.values.masked_fill_(some_labels().lt(0).unsqueeze(-1), 1e6);
  }
  const auto parcels = [&](const std::vector<RunSeries>& runs) {
    return all.workflow->forward(runs).at("parcellate").runs[0].values;
  };
  EXPECT_TRUE(parcels(other).equal(parcels(all.runs)));
  other[0].values[0] += 1;
  EXPECT_FALSE(parcels(other).equal(parcels(all.runs)));
}

TEST(Workflow, WithEverythingFixedAllConfoundsAndTheLabelsCount) {
  const WorkflowDescription asked{{block("regress", {{"combinations", 2.0}}, true),
                                   block("parcellate", {{"start", std::string("random")}, {"parcels", 2.0}}, true)}};
  const Workflow fixed(with_all_fixed(asked), some_input());
  const std::vector<BlockDescription>& blocks = fixed.description().blocks;
  EXPECT_EQ(blocks[0].settings.at("combinations"), SettingValue(0.0));
  EXPECT_EQ(blocks[1].settings.at("start"), SettingValue(std::string("labels")));
  for (const BlockDescription& some : blocks) EXPECT_FALSE(some.learn) << some.type;
  // Labels are of voxels: parcels of parcels still learn.
  const Settings random{{"start", std::string("random")}, {"parcels", 2.0}};
  const WorkflowDescription twice{{block("parcellate"), block("detrend"), block("parcellate", random, true)}};
  WorkflowDescription named = twice;
  named.blocks[2].name = "coarse";
  EXPECT_TRUE(with_all_fixed(named).blocks[2].learn);
  EXPECT_EQ(with_all_fixed(named).blocks[2].settings, random);
  // A few combinations that were never learned stay what was asked.
  const WorkflowDescription few{{block("regress", {{"combinations", 2.0}})}};
  EXPECT_EQ(with_all_fixed(few).blocks[0].settings.at("combinations"), SettingValue(2.0));
}

TEST(Workflow, IsSavedAndLoaded) {
  const Learned all;
  const auto loaded = Workflow::load(all.workflow->save());
  EXPECT_EQ(loaded->input().parcel_names, all.workflow->input().parcel_names);
  ASSERT_EQ(loaded->input().parcel_names.size(), kParcels);
  EXPECT_EQ(loaded->input().confound_names, (std::vector<std::string>{"x", "y", "z"}));
  EXPECT_EQ(to_json_text(loaded->description()), to_json_text(all.workflow->description()));
  const at::NoGradGuard no_gradients;
  for (const char* name : {"tangent", "readout"}) {
    EXPECT_TRUE(loaded->forward(all.runs).at(name).tensor.equal(all.workflow->forward(all.runs).at(name).tensor));
  }
  SafeTensors damaged = all.workflow->save();
  damaged.tensors["readout.weights"] = to_tensor_data(at::zeros({1, 1}, at::kDouble));
  EXPECT_THROW(Workflow::load(damaged), DataError);
  damaged.metadata["workflow"] = "no JSON";
  EXPECT_THROW(Workflow::load(damaged), DataError);
  EXPECT_THROW(Workflow::load({}), DataError);
}

template <class Work>
std::string message(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string fault(const WorkflowDescription& description) {
  const auto found = fault_of(description);
  return found ? found->key + ": " + found->message : "none";
}

TEST(Workflow, DescriptionsAreChecked) {
  EXPECT_THAT(fault({}), HasSubstr("found no blocks"));
  EXPECT_THAT(fault({{block("fliter")}}), HasSubstr("did you mean 'filter'"));
  EXPECT_THAT(fault({{block("filter", {{"hihg-pass", 0.1}})}}), HasSubstr("expected one of method, high-pass"));
  EXPECT_THAT(fault({{block("filter", {{"high-pass", true}})}}), HasSubstr("found true or false, expected a number"));
  EXPECT_THAT(fault({{block("interpolate", {{"method", std::string("spline")}})}}), HasSubstr("linear, cubic"));
  EXPECT_THAT(fault({{block("tangent")}}), HasSubstr("takes matrices, but 'input' gives series"));
  EXPECT_THAT(fault({{block("detrend"), block("detrend")}}), HasSubstr("the name 'detrend' is taken"));
  EXPECT_THAT(fault({{block("detrend", {}, true)}}), HasSubstr("has nothing to learn; those that have: filter"));
  BlockDescription lost = block("detrend");
  lost.input = "later";
  EXPECT_THAT(fault({{lost}}), HasSubstr("found 'later', expected one of input"));
  const std::vector<BlockDescription> chain{block("detrend"), block("covariance")};
  EXPECT_THAT(fault({chain, {{"homogeneity"}}}),
              HasSubstr("needs a block of type parcellate; found the blocks detrend"));
  EXPECT_THAT(fault({chain, {{"cross-entropy"}}}), HasSubstr("that gives scores"));
  EXPECT_THAT(fault({chain, {{"qc-fc", "detrend"}}}), HasSubstr("but 'detrend' is of type detrend"));
  EXPECT_THAT(fault({chain, {{"qc_fc"}}}), HasSubstr("did you mean 'qc-fc'"));
  EXPECT_THAT(fault({chain, {{"qc-fc", "", {{"weigth", 1.0}}}}}), HasSubstr("weigth"));
  const auto loss = [&](Settings settings) { return fault({chain, {{"qc-fc", "", std::move(settings)}}}); };
  EXPECT_EQ(loss({{"weight", 0.0}, {"last-weight", 1.0}, {"ramp-end", 5.0}}), "none");
  EXPECT_THAT(loss({{"weight", -1.0}}), HasSubstr("weight of qc-fc: found -1, expected a number from 0 on"));
  EXPECT_THAT(loss({{"weight", 0.0}}), HasSubstr("weight of qc-fc: found 0, expected a number above 0"));
  EXPECT_THAT(loss({{"weight", std::nan("")}}), HasSubstr("found nan"));
  EXPECT_THAT(loss({{"last-weight", -1.0}, {"ramp-end", 5.0}}), HasSubstr("last-weight of qc-fc: found -1"));
  EXPECT_THAT(loss({{"weight", 0.0}, {"last-weight", 0.0}, {"ramp-end", 5.0}}), HasSubstr("one of them above 0"));
  EXPECT_THAT(loss({{"last-weight", 2.0}}), HasSubstr("ramp-end of qc-fc: found 0 with ramp-begin 0"));
  EXPECT_THAT(loss({{"ramp-end", 5.0}}), HasSubstr("found no last-weight"));
  EXPECT_THAT(loss({{"last-weight", 2.0}, {"ramp-end", 2.5}}), HasSubstr("found 2.5, expected a whole number"));
  EXPECT_THAT(loss({{"tolerance", 1.5}}), HasSubstr("found 1.5, expected a number from 0 to 0.999"));
  EXPECT_THAT(fault({{block("filter", {{"low-pass", -0.1}})}}), HasSubstr("found -0.1, expected a number from 0 on"));
  EXPECT_THAT(fault({{block("parcellate", {{"start-weight", 1.0}})}}), HasSubstr("a number above 0 and below 1"));
  EXPECT_THAT(fault({{block("parcellate", {{"temperature", 0.0}})}}), HasSubstr("a number above 0"));
  EXPECT_EQ(fault(learned()), "none");
  EXPECT_EQ(fault(workflow_from_json(to_json_text(completed(learned())))), "none");
  EXPECT_THROW(Workflow({{block("tangent")}}, some_input()), UsageError);
}

TEST(Workflow, BlocksMustFitTheirInput) {
  const auto made = [](const std::vector<BlockDescription>& blocks, const WorkflowInput& input) {
    return message([&] { Workflow({blocks}, input); });
  };
  WorkflowInput input = some_input();
  EXPECT_THAT(made({block("regress", {{"combinations", 4.0}})}, input), HasSubstr("block 'regress'"));
  EXPECT_THAT(made({block("regress", {}, true)}, input), HasSubstr("1 to fewer than the confounds (3)"));
  EXPECT_THAT(made({block("parcellate", {{"parcels", 6.0}})}, input), HasSubstr("found 6, expected the 5"));
  EXPECT_THAT(made({block("parcellate", {{"parcels", 2.5}})}, input), HasSubstr("whole number"));
  EXPECT_THAT(made({block("parcellate", {{"start", std::string("random")}, {"parcels", 3.0}})}, input),
              HasSubstr("not learned"));
  EXPECT_THAT(made({block("covariance", {}, true)}, input), HasSubstr("estimator = \"shrunk\""));
  EXPECT_THAT(made({block("filter", {{"high-pass", 0.4}})}, input), HasSubstr("0.4"));
  EXPECT_THAT(made({block("covariance"), block("vectorise"), block("readout")}, input), HasSubstr("found no target"));
  input.labels = at::full({kVoxels}, -1, at::kLong);
  EXPECT_THAT(made({block("parcellate")}, input), HasSubstr("block 'parcellate'"));
  input.labels = at::Tensor();
  EXPECT_THAT(made({block("parcellate")}, input), HasSubstr("found 0 starting labels of 24 features"));
}

/// Frames less mean, trends, regressors and what a filter stops must be as many as the regions.
TEST(Workflow, WhatRegressorsAndFiltersTakeCountsAgainstTheRank) {
  const RunSeries run = some_run(1, false);
  const auto said = [&](std::vector<BlockDescription> blocks, std::int64_t frames, const RunSeries& whole) {
    RunSeries some = whole;
    some.keep = at::arange(kFrames) < frames;
    for (const char* type : {"parcellate", "covariance", "precision"}) blocks.push_back(block(type));
    blocks[blocks.size() - 2].settings = {{"estimator", std::string("empirical")}};
    const Workflow workflow({blocks}, some_input());
    return message([&] { workflow.forward({some}); });
  };
  const std::vector<BlockDescription> cleaning{block("detrend"), block("regress")};
  // 1 mean, 1 line, 3 confounds, 5 regions.
  EXPECT_EQ(said(cleaning, 10, run), "no error");
  EXPECT_THAT(
      said(cleaning, 9, run),
      HasSubstr("found 9 kept frames of 5 regions, of which their mean, trends, regressors and filters leave 4"));
  RunSeries twice = run;  // one confound is the sum of the others
  twice.confounds = at::cat({run.confounds.slice(0, 0, 2), run.confounds.slice(0, 0, 2).sum(0, true)});
  EXPECT_EQ(said(cleaning, 9, twice), "no error");
  EXPECT_THAT(said({block("cosine-drifts", {{"high-pass", 0.05}}), block("regress")}, kFrames, run), "no error");
  // Of 120 frames (Nyquist at 0.25 Hz) about 120 · 0.005 / 0.25 pass.
  const BlockDescription narrow = block("filter", {{"high-pass", 0.095}, {"low-pass", 0.1}});
  EXPECT_THAT(said({narrow}, kFrames, run), HasSubstr("found 120 kept frames of 5 regions, of which"));
  EXPECT_EQ(said({block("filter", {{"low-pass", 0.1}})}, kFrames, run), "no error");
}

TEST(Workflow, LossesByChance) {
  WorkflowTargets targets;
  EXPECT_FALSE(loss_by_chance({"qc-fc"}, targets));
  targets.quality = made_up({9}, 2);
  targets.numbers = at::tensor({1.0, 3.0}, at::kDouble);
  EXPECT_NEAR(loss_by_chance({"qc-fc"}, targets).value(), 1.0 / 8, 1e-12);
  EXPECT_NEAR(loss_by_chance({"squared-error"}, targets).value(), 5, 1e-12);
  EXPECT_FALSE(loss_by_chance({"homogeneity"}, targets));
}

TEST(Workflow, DataMustFit) {
  std::vector<BlockDescription> blocks{block("parcellate"), block("covariance", {{"estimator", std::string("sample")}}),
                                       block("precision")};
  const Workflow workflow({blocks}, some_input());
  RunSeries run = some_run(1, false);
  const auto said = [&](const RunSeries& wrong) { return message([&] { workflow.forward({wrong}); }); };
  RunSeries wrong = run;
  wrong.values = wrong.values.slice(0, 0, 3);
  EXPECT_THAT(said(wrong), HasSubstr("24"));
  wrong = run;
  wrong.confounds = wrong.confounds.slice(0, 0, 1);
  EXPECT_THAT(said(wrong), HasSubstr("confounds"));
  wrong = run;
  wrong.keep = at::zeros({kFrames}, at::kBool);
  EXPECT_THAT(said(wrong), HasSubstr("found all frames of a run censored"));
  wrong = run;
  wrong.keep = at::arange(kFrames) < kParcels;
  EXPECT_THAT(said(wrong), HasSubstr("found 5 kept frames of 5 regions, expected more frames than regions"));
  wrong.keep = at::arange(kFrames) < kParcels + 1;
  EXPECT_EQ(said(wrong), "no error");
  wrong = run;
  wrong.values = at::ones({kVoxels, kFrames}, at::kDouble);  // no variance: not positive definite
  EXPECT_THROW(workflow.forward({wrong}), NumericalError);
  EXPECT_THAT(said(wrong), HasSubstr("block 'precision'"));
  EXPECT_THROW(workflow.forward({}), DataError);
  const Workflow filtered({{block("filter", {{"low-pass", 0.1}})}}, some_input());
  EXPECT_THAT(message([&] { filtered.forward({some_run(1, true)}); }), HasSubstr("a block of type interpolate before"));
  const Learned all;
  WorkflowTargets none;
  const WorkflowOutputs outputs = all.workflow->forward(all.runs);
  EXPECT_THAT(message([&] { evaluate_losses(workflow_losses(*all.workflow, outputs, none), 0); }),
              HasSubstr("the loss cross-entropy needs classes"));
}

}  // namespace
}  // namespace noema
