// learn/samples: what is decoded from what: runs, blocks of events, samples, and splits of blocks into folds.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "noema/io/events.h"
#include "noema/io/series.h"

namespace noema {

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
  std::string unit;  ///< "subject", "run", "block", "occurrence", "group" or "given"
  std::vector<Fold> folds;
};

}  // namespace noema
