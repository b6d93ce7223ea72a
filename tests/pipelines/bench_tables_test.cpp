// What the tables of benchmarks say of networks.
#include <gtest/gtest.h>

#include <cmath>

#include "noema/core/random.h"
#include "noema/learn/training.h"
#include "noema/mixers/mixer_list.h"
#include "noema/pipelines/bench_mixers.h"
#include "noema/pipelines/next_frame.h"
#include "noema/pipelines/task_bench.h"

namespace noema {
namespace {

TEST(BenchTables, OfTasksHaveAllThatACellCosts) {
  TaskCell cell;
  cell.backbone = "h3";
  cell.scores = {0.5, 0.75};
  cell.parameters = 12345678;
  cell.flops = 123456789012;
  cell.state_bytes = 4096;
  const Table table = task_table({cell});
  EXPECT_EQ(table.column("parameters")[0], "12345678");
  EXPECT_EQ(table.column("flops")[0], "123456789012");
  EXPECT_EQ(table.column("state_bytes")[0], "4096");
  EXPECT_EQ(table.numbers("score")[0], 0.625);
}

TEST(BenchTables, OfNextFramesHaveWhatNetworksCost) {
  NextFrameOptions options;
  options.backbones = {"short-conv"};
  options.width = 8;
  options.seeds = 1;
  options.steps = 1;
  options.series.study.subjects = 5;
  options.series.regions = 4;
  const std::vector<NextFrameScore> scores = bench_next_frame(options);
  const Table table = next_frame_table(scores);
  ASSERT_EQ(scores.size(), 4);
  for (const char* size : {"parameters", "flops", "state_bytes"}) {
    for (const std::size_t simple : {0, 1, 2}) EXPECT_EQ(table.column(size)[simple], "n/a") << size;
  }
  const auto frames = simulate_region_series(options.series).front().series.rows() - 1;  // the last is only foreseen
  MixerCost sum;
  RandomStream stream(0, "initial parameters");
  at::Generator generator = make_generator(at::kCPU, stream);
  for (const MixerDescription& mixer : bench_mixers("short-conv", 0)) {
    const MixerCost cost = cost_of(mixer.kind, *make_mixer(mixer, {8, frames}, generator), frames);
    sum.parameters += cost.parameters;
    sum.flops += cost.flops;
    sum.state_bytes += cost.state_bytes;
  }
  // Beside the mixers are the maps from 4 regions and back to them.
  EXPECT_EQ(table.numbers("parameters")[3], static_cast<double>(sum.parameters + 8 * (4 + 1) + 4 * (8 + 1)));
  EXPECT_EQ(table.numbers("flops")[3], static_cast<double>(sum.flops));
  EXPECT_EQ(table.numbers("state_bytes")[3], static_cast<double>(sum.state_bytes));
  EXPECT_GT(sum.state_bytes, 0);
}

}  // namespace
}  // namespace noema
