#include "noema/pipelines/task_bench.h"

#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>

#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/core/progress.h"
#include "noema/decoders/sequence_model.h"
#include "noema/learn/torch_settings.h"
#include "noema/pipelines/bench_mixers.h"
#include "noema/pipelines/seed_scores.h"

namespace noema {
namespace {

at::Tensor longs(const std::vector<std::int64_t>& values, at::IntArrayRef shape) {
  return at::from_blob(const_cast<std::int64_t*>(values.data()), shape, at::TensorOptions(at::kLong)).clone();
}

at::Tensor floats(const std::vector<float>& values, at::IntArrayRef shape) {
  return at::from_blob(const_cast<float*>(values.data()), shape, at::TensorOptions(at::kFloat)).clone();
}

SequenceData tensors_of(const SequenceSet& set, std::int64_t regions) {
  const std::vector<std::int64_t> places = {set.count, set.length}, series = {set.count, set.length, regions};
  return {set.tokens.empty() ? floats(set.series, series) : longs(set.tokens, places),
          set.asked.empty() ? floats(set.wanted, series) : longs(set.asked, places)};
}

SequenceShape shape_of(const SequenceTaskOptions& task) {
  SequenceShape shape;
  shape.channels = task.regions;
  if (task.regions == 0) shape.tokens = task.vocabulary;
  shape.series_out = answer_classes(task) == 0;
  shape.outputs = shape.series_out ? task.regions : answer_classes(task);
  shape.from_one_vector = compresses(task.task);
  return shape;
}

TrainingOptions training_of(bool full, std::uint64_t seed) {
  TrainingOptions options;
  options.epochs = full ? 200 : 40;
  if (!full) options.min_steps = options.max_steps = 2000;
  options.batch_size = full ? 128 : 32;
  options.learning_rate = full ? 1e-3 : 3e-3;
  options.weight_decay = 0.1;
  options.seed = seed;
  return options;
}

/// The score of one training; fills in the sizes of the cell.
double train_once(const TaskBenchOptions& options, const SequenceTaskOptions& task, TaskCell& cell) {
  const SequenceLoss loss = answer_classes(task) == 0 ? SequenceLoss::squared : SequenceLoss::cross_entropy;
  const SequenceData train = tensors_of(draw_sequences(task, true), task.regions);
  const SequenceData test = tensors_of(draw_sequences(task, false), task.regions);
  RandomStream stream(task.seed, "initial parameters");
  at::Generator generator = make_generator(at::kCPU, stream);
  const std::int64_t width = options.width > 0 ? options.width : (options.full ? 128 : 64);
  SequenceModel model(shape_of(task), {width, train.inputs.size(1)}, bench_mixers(cell.backbone, /*dropout=*/0),
                      generator);
  model.to(torch_device());
  cell.parameters = model.parameter_count();
  cell.flops = model.flops(train.inputs.size(1));
  cell.state_bytes = model.state_bytes();
  fit_sequences(model, train, loss, training_of(options.full, task.seed));
  return score_sequences(model, test, loss);
}

std::vector<TaskCell> empty_cells(const TaskBenchOptions& options) {
  std::vector<TaskCell> cells;
  for (const SequenceTask task : options.tasks) {
    for (const std::string& backbone : options.backbones) {
      TaskCell& cell = cells.emplace_back();
      cell.task = task;
      cell.backbone = backbone;
    }
  }
  return cells;
}

void fill(const TaskBenchOptions& options, TaskCell& cell) {
  const OneTorchThread one_thread;  // cells are trained side by side
  const auto start = std::chrono::steady_clock::now();
  for (int s = 0; s < options.seeds; ++s) {
    const SequenceTaskOptions sized = bench_task(cell.task, options.full, options.seed + static_cast<std::uint64_t>(s));
    cell.chance = chance_score(sized);
    if (s == 0) cell.commonest = commonest_score(draw_sequences(sized, false));
    cell.scores.push_back(train_once(options, sized, cell));
  }
  cell.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<TaskCell> done_cells(const std::vector<std::optional<TaskCell>>& cells) {
  std::vector<TaskCell> done;
  for (const std::optional<TaskCell>& cell : cells) {
    if (cell) done.push_back(*cell);
  }
  return done;
}

}  // namespace

void TaskBenchOptions::validate() const {
  if (seeds < 1) throw UsageError(fmt::format("{} seeds, expected at least 1", seeds));
  if (width != 0 && width < 8) throw UsageError(fmt::format("a width of {}, expected at least 8", width));
}

double TaskCell::mean() const { return seed_mean(scores); }
double TaskCell::spread() const { return seed_spread(scores); }

SequenceTaskOptions bench_task(SequenceTask task, bool full, std::uint64_t seed) {
  SequenceTaskOptions options = published_options(task);
  options.seed = seed;
  if (full) return options;
  options.training = std::min<std::int64_t>(options.training, 6400);
  options.testing = std::min<std::int64_t>(options.testing, 500);
  switch (task) {
    case SequenceTask::associative_recall:
      options.vocabulary = 12;
      options.length = 16;
      break;
    case SequenceTask::selective_copying:
    case SequenceTask::noisy_region_copy:
      options.length = 64;
      options.copies = 6;
      break;
    case SequenceTask::in_context_recall:
    case SequenceTask::noisy_recall:
    case SequenceTask::fuzzy_recall:
    case SequenceTask::lagged_response:
      options.length = 64;
      break;
    default:
      break;  // short as they are
  }
  return options;
}

std::vector<TaskCell> bench_tasks(const TaskBenchOptions& options,
                                  const std::function<void(const std::vector<TaskCell>&)>& each) {
  options.validate();
  const std::vector<TaskCell> cells = empty_cells(options);
  const auto count = static_cast<std::int64_t>(cells.size());
  std::vector<std::optional<TaskCell>> done(cells.size());
  std::mutex telling;
  Progress progress("benchmark of tasks", count);
  parallel_tasks(count, [&](std::int64_t i) {
    TaskCell cell = cells[static_cast<std::size_t>(i)];
    fill(options, cell);
    const std::lock_guard lock(telling);
    done[static_cast<std::size_t>(i)] = std::move(cell);
    progress.advance();
    if (each) each(done_cells(done));
  });
  return done_cells(done);
}

Table task_table(const std::vector<TaskCell>& cells) {
  std::vector<std::string> tasks, backbones, scores;
  std::vector<double> chance, commonest, mean, spread, parameters, flops, bytes, seconds;
  for (const TaskCell& cell : cells) {
    tasks.emplace_back(name_of(cell.task));
    backbones.push_back(cell.backbone);
    chance.push_back(cell.chance);
    commonest.push_back(cell.commonest);
    mean.push_back(cell.mean());
    spread.push_back(cell.spread());
    scores.push_back(fmt::format("{:.4f}", fmt::join(cell.scores, ",")));
    parameters.push_back(static_cast<double>(cell.parameters));
    flops.push_back(static_cast<double>(cell.flops));
    bytes.push_back(static_cast<double>(cell.state_bytes));
    seconds.push_back(cell.seconds);
  }
  Table table;
  table.add("task", tasks);
  table.add("backbone", backbones);
  table.add("chance", chance);
  table.add("commonest_answer", commonest);
  table.add("score", mean);
  table.add("sd_over_seeds", spread);
  table.add("scores", scores);
  table.add("parameters", parameters, kDigitsOfCounts);
  table.add("flops", flops, kDigitsOfCounts);
  table.add("state_bytes", bytes, kDigitsOfCounts);
  table.add("seconds", seconds, 4);
  return table;
}

}  // namespace noema
