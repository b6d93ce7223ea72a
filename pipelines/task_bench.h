// pipelines/task_bench: which backbone can do what, on made-up sequences.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "noema/core/provenance.h"
#include "noema/io/table.h"
#include "noema/simulate/sequence_tasks.h"

namespace noema {

struct TaskBenchOptions {
  std::vector<std::string> backbones;
  std::vector<SequenceTask> tasks;
  /// Channels; 0: 64, or 128 in the full setting.
  std::int64_t width = 0;
  /// The published sizes of sets and 200 epochs, instead of what takes minutes.
  bool full = false;
  int seeds = 1;
  std::uint64_t seed = 0;

  /// @throws UsageError for values out of range.
  void validate() const;
};

/// What a backbone reached in a task.
struct TaskCell {
  SequenceTask task = SequenceTask::in_context_recall;
  std::string backbone;
  double chance = 0;
  /// `commonest_score` of the first test set; NaN for series.
  double commonest = 0;
  /// On sequences of the test, one for each seed: the part of right answers, or of the variance that is explained.
  std::vector<double> scores;
  std::int64_t parameters = 0;
  /// Of the mixers for one sequence: floating-point operations, and bytes that a recurrence keeps.
  std::int64_t flops = 0;
  std::int64_t state_bytes = 0;
  /// Of training and testing all seeds.
  double seconds = 0;

  double mean() const;
  /// Standard deviation over the seeds; NaN for one.
  double spread() const;
};

/// Sizes of the sets of a task: as published, or shorter, with at most 6,400 and 500 sequences, and five keys in
/// associative recall.
SequenceTaskOptions bench_task(SequenceTask task, bool full, std::uint64_t seed);

/// Trains and tests each backbone in each task on `torch_device()`, as many side by side as there are threads; another
/// seed is another start, other sets and another order.
/// @param each is told, whenever a cell is done, of all that are, by one thread at a time.
/// @throws UsageError, Cancelled
std::vector<TaskCell> bench_tasks(const TaskBenchOptions& options,
                                  const std::function<void(const std::vector<TaskCell>&)>& each = {});

/// One row for each cell.
Table task_table(const std::vector<TaskCell>& cells);

}  // namespace noema
