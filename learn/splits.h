// learn/splits: which blocks are trained on and which are tested on, as data that is made once and written down.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "noema/learn/samples.h"

namespace noema {

struct SplitOptions {
  /// "auto": subjects where there are several, else runs where there are several, else occurrences. "subject", "run",
  /// "block": leave one out. "occurrence": fold o tests the o-th block of every label in every run. "group": k folds of
  /// whole groups. "given": read from `file`.
  std::string unit = "auto";
  /// unit group: "subject", "session" (of a subject), "run", or a name in `LearningRun::groups`, such as "family" or
  /// "site".
  std::string group = "subject";
  /// unit group: number of folds.
  int folds = 5;
  /// unit given: a table as `read_split` wants it.
  std::filesystem::path file;
};

/// Makes a split in which each block is tested once and trained on in all other folds.
///
/// Groups are dealt to folds by size: the largest first, each to the fold with the fewest blocks so far (ties by name
/// and fold number), so the assignment depends on the data alone.
/// @throws UsageError if there are not enough subjects, runs, occurrences or groups (with the split to use instead);
///          DataError if a run lacks the group, or as `check_split`.
Split make_split(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks, const LabelTable& labels,
                 const SplitOptions& options = {});

/// What `make_split` would refuse whatever the blocks are: too few subjects, runs or groups, a run without the group, a
/// table that is not there. Needs neither series nor events. @throws as `make_split`
void check_split_options(const std::vector<LearningRun>& runs, const SplitOptions& options);

/// Samples dealt to `folds` folds at random, whatever block they come from: a split that leaks, kept to show by how
/// much. It fits only the very samples it was made from. @throws UsageError unless 2 ≤ folds ≤ samples.
Split shuffled_split(const std::vector<Sample>& samples, int folds, std::uint64_t seed);

/// Reads a split: columns `subject` and `fold`, optionally `session`, `run` and `onset`; further columns are not looked
/// at.
///
/// A row speaks for all blocks that agree with its cells (n/a or a missing column agree with everything; onsets agree
/// within 10 ms). `fold` is the fold that tests them; n/a: they are only ever trained on.
/// @throws IoError, FormatError; DataError if a row speaks for no block, two rows send one block to different folds, a
///          block has no row, or as `check_split` (one fold is enough if some blocks are only trained on).
Split read_split(const std::filesystem::path& path, const std::vector<LearningRun>& runs,
                 const std::vector<Block>& blocks, const LabelTable& labels);

/// Writes one row per block (subject, session, run, onset, end, label, fold) that `read_split` reads back.
/// @throws UsageError for a split over samples or one in which a block is tested twice, which the table cannot hold.
void write_split(const std::filesystem::path& path, const Split& split, const std::vector<LearningRun>& runs,
                 const std::vector<Block>& blocks, const LabelTable& labels);

/// A fingerprint of who is trained on and tested on in each fold: subjects, sessions, runs, onsets (ms) and labels.
std::string hash_split(const Split& split, const std::vector<LearningRun>& runs, const std::vector<Block>& blocks,
                       const LabelTable& labels);

/// @throws DataError for fewer than two folds, a fold with nothing to test or train, or a label that a fold has no
///          training block of (names fold and label); ShapeError for indices out of range.
void check_split(const Split& split, const std::vector<Block>& blocks, const LabelTable& labels);

/// What a group name says of a run: "subject", "session" (with its subject), "run" (its id), or a name in
/// `LearningRun::groups`. @throws DataError if the run lacks the group (lists those it has).
std::string group_of_run(const LearningRun& run, const std::string& group);

/// The largest unit within which labels never change: "subject", "session" or "run", else "block". Of such a unit a
/// model may recognise who or what it is instead of the state, so it belongs on one side of a fold and moves whole when
/// labels are permuted.
std::string unit_of_labels(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks);

/// The fold in which each block is tested; −1 for blocks that are only trained on. @throws UsageError for a split over
/// samples.
std::vector<int> test_fold_of_blocks(const Split& split, std::size_t blocks);

/// Indices of samples.
struct FoldSamples {
  std::vector<int> train;
  std::vector<int> test;
};

/// The samples of the fold's training and test blocks, in ascending order.
/// @throws DataError if no test sample is left, or no training sample of one of the labels (names fold and label).
FoldSamples samples_of_fold(const Split& split, int fold, const std::vector<Sample>& samples, const LabelTable& labels);

}  // namespace noema
