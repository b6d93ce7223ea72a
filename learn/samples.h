// learn/samples: what is decoded from what: runs, blocks of events, samples, and splits of blocks into folds.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "noema/io/events.h"
#include "noema/io/series.h"

namespace noema {

/// Times that differ by less count as equal, so that sums such as 0.72 · k never decide to which side a volume falls.
inline constexpr double kTimeTolerance_s = 1e-6;

/// The classes, fixed by the dataset (never by what one run or fold happens to contain): sorted, without repeats.
struct LabelTable {
  std::vector<std::string> names;

  int count() const { return static_cast<int>(names.size()); }
  /// −1 when the name is not a class.
  int index_of(std::string_view name) const;
};

/// A preprocessed run ready for learning.
struct LearningRun {
  /// "sub-01_ses-02_task-x_run-01".
  std::string id;
  std::string subject;
  std::string session;
  std::string run;
  /// Further groups that must not be split, such as {"family": "f3", "site": "leipzig"}.
  std::map<std::string, std::string> groups;
  Series series;
  std::vector<Event> events;
};

/// A maximal series of same-label events: the smallest thing a split may move. Times on the clock of its run.
struct Block {
  int run = 0;    ///< index of its LearningRun
  int label = 0;  ///< index in the LabelTable
  double onset_s = 0;
  double end_s = 0;
  /// Counts the blocks of the same label in the same run, from 0.
  int occurrence = 0;
  /// What the block is made of, by onset.
  std::vector<Event> events;
};

/// One thing to classify: some volumes of one block, with weights of unit sum for models that take their mean.
struct Sample {
  int block = 0;
  int run = 0;
  int label = 0;
  std::vector<int> volumes;    // ascending
  std::vector<float> weights;  // as many as volumes; sum 1
};

/// Blocks to train on and blocks to test on.
struct Fold {
  std::string name;
  std::vector<int> train;
  std::vector<int> test;
};

/// A plan of cross-validation, made once and used by every model. `unit` is what is left out together.
struct Split {
  std::string unit;  ///< "subject", "run", "block", "occurrence", "group", "given", or "sample" (leaks)
  /// With unit "group": which group is kept together, such as "family" or "subject".
  std::string group;
  /// The folds hold samples instead of blocks, so volumes of one block lie on both sides. Such a split exists only to
  /// show how much it flatters; the leakage check refuses it.
  bool leaks = false;
  std::vector<Fold> folds;
};

/// Volumes [first, end).
struct VolumeRange {
  int first = 0;
  int end = 0;

  int size() const { return end > first ? end - first : 0; }
};

/// The volumes whose centre lies in [begin_s, end_s): a centre on `begin_s` belongs in, on `end_s` does not.
VolumeRange volumes_between(const Series& series, double begin_s, double end_s);

/// @throws ShapeError unless the keep mask of the run's series has one entry for each volume.
void check_keep_mask(const LearningRun& run);

}  // namespace noema
