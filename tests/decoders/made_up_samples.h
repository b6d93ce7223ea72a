// Small made-up samples for the tests of this room.
#pragma once

#include <array>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "noema/core/random.h"
#include "noema/learn/sample_set.h"

namespace noema::made_up {

/// `pattern(label, volume, feature)` plus noise of `noise`: `runs` runs, each with `blocks` samples of each label.
struct SampleDesign {
  int runs = 4;
  int classes = 2;
  int blocks = 4;
  int volumes = 8;
  int features = 12;
  double noise = 1;
};

template <class Pattern>
SampleSet samples(const SampleDesign& design, Pattern pattern, std::shared_ptr<const FeatureSpace> space = nullptr) {
  auto runs = std::make_shared<std::vector<LearningRun>>();
  SampleSet set;
  set.classes = design.classes;
  for (int r = 0; r < design.runs; ++r) {
    LearningRun run;
    run.id = "sub-01_run-" + std::to_string(r + 1);
    run.subject = "01";
    run.series.tr_s = 2;
    run.series.features = space;
    const int samples_in_run = design.classes * design.blocks;
    run.series.values.resize(samples_in_run * design.volumes, design.features);
    run.series.keep.assign(static_cast<std::size_t>(run.series.values.rows()), 1);
    RandomStream random(7, run.id);
    for (int s = 0; s < samples_in_run; ++s) {
      Sample sample{static_cast<int>(set.samples.size()), r, s % design.classes, {}, {}};
      for (int v = 0; v < design.volumes; ++v) {
        const int row = s * design.volumes + v;
        for (int f = 0; f < design.features; ++f) {
          run.series.values(row, f) = static_cast<float>(pattern(sample.label, v, f) + design.noise * random.normal());
        }
        sample.volumes.push_back(row);
        sample.weights.push_back(1.F / static_cast<float>(design.volumes));
      }
      set.samples.push_back(sample);
    }
    runs->push_back(run);
  }
  set.runs = runs;
  return set;
}

/// Samples of the first runs, and of the last.
inline std::array<SampleSet, 2> split_last_run(const SampleSet& set) {
  std::vector<int> train, test;
  for (int n = 0; n < set.size(); ++n) {
    const bool last = set.samples[static_cast<std::size_t>(n)].run + 1 == static_cast<int>(set.runs->size());
    (last ? test : train).push_back(n);
  }
  return {subset(set, train), subset(set, test)};
}

inline double accuracy(const MatrixD& decisions, const std::vector<int>& labels) {
  double right = 0;
  for (Eigen::Index n = 0; n < decisions.rows(); ++n) {
    Eigen::Index best = 0;
    decisions.row(n).maxCoeff(&best);
    right += best == labels[static_cast<std::size_t>(n)];
  }
  return right / static_cast<double>(decisions.rows());
}

/// A different mean pattern for each label.
inline double mean_pattern(int label, int, int feature) { return feature % 3 == label ? 0.7 : 0; }

/// Label 0: feature 0 is high in the first half and low in the second; label 1: the reverse. The means are the same.
inline double order_pattern(int label, int volume, int feature) {
  if (feature != 0) return 0;
  return (volume < 4) == (label == 0) ? 1.5 : -1.5;
}

}  // namespace noema::made_up
