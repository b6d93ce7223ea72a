// noema bench
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/cli/commands.h"
#include "noema/core/error.h"
#include "noema/core/progress.h"
#include "noema/io/table.h"
#include "noema/pipelines/bench_mixers.h"
#include "noema/pipelines/next_frame.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/task_bench.h"

namespace noema {
namespace {

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const SequenceTask task : all_sequence_tasks()) names.emplace_back(name_of(task));
  return names;
}

void open(const CommandArguments& arguments) {
  if (arguments.has("out_dir")) open_output_folder(arguments.path("out_dir"), "bench", arguments.effective_toml());
}

void write(const CommandArguments& arguments, const std::string& file, const Table& table) {
  if (arguments.has("out_dir")) write_table(arguments.path("out_dir") / file, table);
}

std::string score_text(const TaskCell& cell) {
  const double spread = cell.spread();
  return std::isnan(spread) ? fmt::format("{:.3f}", cell.mean()) : fmt::format("{:.3f}±{:.3f}", cell.mean(), spread);
}

/// One row for each task, one column for each backbone.
void print_tasks(const TaskBenchOptions& options, const std::vector<TaskCell>& cells) {
  fmt::print("{:<26}{:>8}{:>12}", "task", "chance", "commonest");
  for (const std::string& backbone : options.backbones) fmt::print("{:>20}", backbone);
  fmt::print("\n");
  const std::size_t columns = options.backbones.size();
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i % columns == 0)
      fmt::print("{:<26}{:>8.3f}{:>12.3f}", name_of(cells[i].task), cells[i].chance, cells[i].commonest);
    fmt::print("{:>20}{}", score_text(cells[i]), i % columns + 1 == columns ? "\n" : "");
  }
  const auto longest = std::max_element(cells.begin(), cells.end(),
                                        [](const TaskCell& a, const TaskCell& b) { return a.seconds < b.seconds; });
  fmt::print("The longest cell, {} by {}, took {}.\n", name_of(longest->task), longest->backbone,
             format_duration(longest->seconds));
}

int bench_the_tasks(const CommandArguments& arguments) {
  TaskBenchOptions options;
  options.backbones = arguments.list("mixer");
  for (const std::string& task : arguments.list("task")) options.tasks.push_back(sequence_task_named(task));
  options.width = arguments.integer("width");
  options.full = arguments.flag("full");
  options.seeds = static_cast<int>(arguments.integer("seeds"));
  options.seed = static_cast<std::uint64_t>(arguments.integer("seed"));
  open(arguments);
  const auto cells =
      bench_tasks(options, [&](const std::vector<TaskCell>& done) { write(arguments, "tasks.tsv", task_table(done)); });
  print_tasks(options, cells);
  return 0;
}

int bench_next_frames(const CommandArguments& arguments) {
  NextFrameOptions options;
  options.backbones = arguments.list("mixer");
  if (arguments.integer("width") != 0) options.width = arguments.integer("width");
  if (arguments.given("seeds")) options.seeds = static_cast<int>(arguments.integer("seeds"));
  options.seed = static_cast<std::uint64_t>(arguments.integer("seed"));
  for (const char* option : {"task", "full"}) {
    if (arguments.given(option)) throw UsageError(fmt::format("--{} is for 'noema bench tasks'", option));
  }
  open(arguments);
  const Table table = next_frame_table(bench_next_frame(options));
  fmt::print("{:<24}{:>10}{:>10}{:>24}{:>12}{:>14}{:>13}\n", "predictor", "error", "SD", "minus autoregression",
             "parameters", "operations", "state bytes");
  const auto error = table.numbers("mean_absolute_error"), sd = table.numbers("sd_over_seeds");
  const auto difference = table.numbers("minus_autoregression"), difference_sd = table.numbers("sd_of_difference");
  for (std::size_t i = 0; i < error.size(); ++i) {
    fmt::print("{:<24}{:>10.4f}{:>10.4f}{:>+16.4f} ±{:.4f}{:>12}{:>14}{:>13}\n", table.column("predictor")[i], error[i],
               sd[i], difference[i], difference_sd[i], table.column("parameters")[i], table.column("flops")[i],
               table.column("state_bytes")[i]);
  }
  write(arguments, "next-frame.tsv", table);
  return 0;
}

int run_bench(const CommandArguments& arguments) {
  return arguments.text("what") == "tasks" ? bench_the_tasks(arguments) : bench_next_frames(arguments);
}

}  // namespace

CommandSpec bench_command() {
  CommandSpec spec;
  spec.name = "bench";
  spec.synopsis = "What the backbones of networks can do, on made-up sequences";
  spec.description = {
      "tasks: small networks of two blocks (a mixer of volumes and one of channels) learn tasks that ask for one "
      "ability "
      "each: recall in context, plain, among noise and of several tokens; selective copying; compression into one "
      "vector; memorisation; associative recall; induction heads; and of series of regions the event a fixed time ago, "
      "copying patterns from noise, and compression of slow courses. The score is the part of right answers on "
      "sequences that were not trained on, of courses the part of the variance that is explained.",
      "next-frame: the same networks predict each next frame of the series of 32 regions in made-up studies, and are "
      "tested on subjects that were held out, beside a linear autoregression, a copy of the last frame, and the error "
      "that nobody can avoid.",
      "Beside chance stands what naming the commonest answer of the sequence so far reaches without any recall. One "
      "learning rate serves all mixers. Tables say how many parameters a network has and, of its mixers for one "
      "sequence, how many floating-point operations they take and how many bytes a recurrence keeps.",
      "The default is small enough for minutes a task and mixer; --full has sets of the published sizes, width 128 and "
      "200 epochs."};
  spec.arguments = {choice("what", {"tasks", "next-frame"}, "What is measured"),
                    output_path("out_dir", "OUT_DIR", "Where the tables go").may_be_absent()};
  spec.groups = {
      {"Benchmark",
       {choice("mixer", bench_mixer_names(), "Mixers to compare")
            .many()
            .by_default(fmt::format("{}", fmt::join(bench_mixer_names(), ","))),
        choice("task", task_names(), "Tasks").many().by_default(fmt::format("{}", fmt::join(task_names(), ","))),
        integer("width", "CHANNELS", "Channels of the networks; 0: 64, with --full 128").by_default("0").range(0, 4096),
        integer(
            "seeds", "N",
            "Repetitions with other sets, starts and orders, of which the spread is given; next-frame has 3 by default")
            .by_default("1")
            .range(1, 100),
        flag("full", "The published sizes; hours instead of minutes")}}};
  spec.examples = {
      {"noema bench tasks --mixer s4d,h3 --task associative-recall", "What products of two series are for."}};
  spec.references = {"Poli et al. 2024, Mechanistic design and scaling of hybrid architectures, arXiv 2403.17844",
                     "Fu et al. 2022, Hungry hungry hippos, arXiv 2212.14052"};
  spec.run = run_bench;
  return spec;
}

}  // namespace noema
