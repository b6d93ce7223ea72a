// noema simulate
#include <fmt/format.h>

#include "noema/cli/commands.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/simulate/simulate.h"

namespace noema {
namespace {

std::array<std::int64_t, 3> read_shape(const std::vector<std::string>& words) {
  std::array<std::int64_t, 3> shape{};
  if (words.size() != 3)
    throw UsageError(fmt::format("--shape: found {} numbers, expected three, such as 20,24,20", words.size()));
  for (std::size_t axis = 0; axis < 3; ++axis) {
    try {
      shape[axis] = std::stoll(words[axis]);
    } catch (const std::exception&) {
      throw UsageError(fmt::format("--shape: found '{}', expected a whole number", words[axis]));
    }
  }
  return shape;
}

SimulationOptions read_simulation(const CommandArguments& arguments) {
  SimulationOptions options;
  options.subjects = static_cast<int>(arguments.integer("subjects"));
  options.runs = static_cast<int>(arguments.integer("runs"));
  options.states = static_cast<int>(arguments.integer("states"));
  options.shape = read_shape(arguments.list("shape"));
  options.voxel_mm = arguments.number("voxel");
  options.tr_s = arguments.number("tr");
  options.design = arguments.text("design") == "events" ? DesignKind::events : DesignKind::blocks;
  options.blocks = static_cast<int>(arguments.integer("blocks"));
  options.block_volumes = static_cast<int>(arguments.integer("block-volumes"));
  options.rest_volumes = static_cast<int>(arguments.integer("rest-volumes"));
  options.events = static_cast<int>(arguments.integer("events"));
  options.level = arguments.number("level");
  options.own_map = arguments.number("own-map");
  options.maps = arguments.text("maps") == "fields" ? MapKind::fields : MapKind::blobs;
  options.hrf_delay_sd_s = arguments.number("hrf-delay-sd");
  options.hrf_width_sd = arguments.number("hrf-width-sd");
  options.drift = arguments.number("drift");
  options.spikes = static_cast<int>(arguments.integer("spikes"));
  options.seed = static_cast<std::uint64_t>(arguments.integer("seed"));
  options.validate();
  return options;
}

int run_simulate(const CommandArguments& arguments) {
  const std::filesystem::path folder = arguments.path("out_dir");
  simulate_dataset(folder, read_simulation(arguments), arguments.flag("force"));
  log_info(
      fmt::format("wrote the dataset '{}'; decode it with: noema decode {} results", folder.string(), folder.string()));
  return 0;
}

}  // namespace

CommandSpec simulate_command() {
  const SimulationOptions d;
  CommandSpec spec;
  spec.name = "simulate";
  spec.synopsis = "A BIDS dataset with derivatives whose truth is known";
  spec.description = {
      "Writes a made-up BIDS dataset: events, preprocessed images, brain masks and confounds as fMRIPrep names them, "
      "and beside it the "
      "maps of each state that the signal was made of. Each state has a map over the brain, each subject its own share "
      "of it and its own "
      "haemodynamic response; noise is correlated in space and time; drifts and motion spikes are described by the "
      "confounds. Equal "
      "options and seed give equal files, whatever the number of threads."};
  spec.arguments = {output_path("out_dir", "OUT_DIR", "The folder of the dataset; must not be there, or be empty")};
  spec.groups = {
      {"Design",
       {integer("subjects", "N", "Subjects").by_default(std::to_string(d.subjects)).range(1, 10000),
        integer("runs", "N", "Runs of each subject").by_default(std::to_string(d.runs)).range(1, 100),
        integer("states", "N", "States: the labels").by_default(std::to_string(d.states)).range(2, 100),
        choice("design", {"blocks", "events"}, "Long blocks, or short events at jittered intervals")
            .by_default("blocks"),
        integer("blocks", "N", "Blocks of each state in a run").by_default(std::to_string(d.blocks)).range(1, 1000),
        integer("block-volumes", "N", "Volumes of a block").by_default(std::to_string(d.block_volumes)).range(1, 1000),
        integer("rest-volumes", "N", "Volumes of rest between blocks")
            .by_default(std::to_string(d.rest_volumes))
            .range(0, 1000),
        integer("events", "N", "With --design events: events of each state in a run")
            .by_default(std::to_string(d.events))
            .range(1, 10000),
        number("tr", "SECONDS", "Repetition time").by_default(fmt::format("{:g}", d.tr_s)).range(0.1, 20)}},
      {"Brain",
       {integer("shape", "X,Y,Z", "Voxels of the images")
            .many()
            .by_default(fmt::format("{},{},{}", d.shape[0], d.shape[1], d.shape[2]))
            .range(1, 1000),
        number("voxel", "MM", "Edge of a voxel").by_default(fmt::format("{:g}", d.voxel_mm)).range(0.1, 100),
        choice("maps", {"blobs", "fields"}, "Maps of states: non-negative blobs, or signed smooth fields")
            .by_default("blobs")}},
      {"Signal and noise, in standard deviations of the noise",
       {number("level", "NUMBER", "Signal level: SD over the brain of a lasting state")
            .by_default(fmt::format("{:g}", d.level))
            .range(0, 100),
        number("own-map", "NUMBER", "A subject's own share of each map")
            .by_default(fmt::format("{:g}", d.own_map))
            .range(0, 100),
        number("hrf-delay-sd", "SECONDS", "How the time to peak varies over subjects")
            .by_default(fmt::format("{:g}", d.hrf_delay_sd_s))
            .range(0, 3),
        number("hrf-width-sd", "NUMBER", "How the width of the response varies, relative")
            .by_default(fmt::format("{:g}", d.hrf_width_sd))
            .range(0, 1),
        number("drift", "NUMBER", "SD of slow drifts").by_default(fmt::format("{:g}", d.drift)).range(0, 100),
        integer("spikes", "N", "Sudden movements in each run").by_default(std::to_string(d.spikes)).range(0, 1000)}},
      {"Other", {flag("force", "Replace OUT_DIR if it has content")}}};
  spec.examples = {{"noema simulate demo", "Eight subjects, two runs, four states."},
                   {"noema simulate hard --level 0.12 --maps fields --seed 7", "A weaker signal, signed maps."}};
  spec.run = run_simulate;
  return spec;
}

}  // namespace noema
