// noema predict
#include "noema/pipelines/predict.h"

#include <fmt/format.h>

#include "noema/cli/commands.h"
#include "noema/cli/option_groups.h"

namespace noema {
namespace {

int run_predict(const CommandArguments& arguments) {
  PredictOptions options;
  options.model = arguments.path("model");
  options.input = arguments.path("input");
  options.output = arguments.path("out_dir");
  options.query = read_query(arguments);
  if (arguments.has("events")) options.events = arguments.text("events");
  options.label_column = arguments.text("label-column");
  if (arguments.has("block-gap")) options.block_gap_s = arguments.number("block-gap");
  options.allow_resample = arguments.flag("allow-resample");
  for (const std::string& file : arguments.list("surface")) options.surfaces.emplace_back(file);
  options.step = static_cast<int>(arguments.integer("step"));
  options.configuration = arguments.effective_toml();
  const PredictedRuns predicted = predict_runs(options);
  for (const std::string& file : predicted.files) fmt::print("{}\n", (options.output / file).string());
  return predicted.failed.empty() ? 0 : 1;
}

}  // namespace

CommandSpec predict_command() {
  CommandSpec spec;
  spec.name = "predict";
  spec.synopsis = "What a trained model says of new runs, second by second";
  spec.description = {
      "Checks that each run fits the model's input contract (grid, TR, space), preprocesses it as the model was "
      "trained, "
      "and writes one table a run: onset and duration in seconds on the clock of the stimuli (the window in the scan "
      "minus the model's delay), the likeliest label, and a column for each label: p_<label>, its probability, or, for "
      "models that give none, score_<label>, the softmax of its decisions. No events are needed.",
      "A model of volumes speaks for each volume, one of blocks or trials for windows as long as those it was trained "
      "on, one of runs for the whole run. With --events the blocks of events are asked about instead of windows."};
  spec.arguments = {input_path("model", "MODEL", "A model file (.safetensors)"),
                    input_path("input", "INPUT", "A BIDS dataset, or the NIfTI image of one run"),
                    output_path("out_dir", "OUT_DIR", "Where the tables go; made if it is not there")};
  spec.groups = {
      dataset_options(false),
      {"Windows",
       {integer("step", "N", "Volumes from one window to the next").by_default("1").range(1, 1e6),
        text("events", "FILE",
             "Ask about the blocks of this events file (of one run), or, with the word dataset, about those of the "
             "dataset's events files"),
        text("label-column", "NAME", "The column of the events files that holds the label").by_default("trial_type"),
        number("block-gap", "SECONDS", "Largest gap between events of one block; without it the larger of TR and 2 s")
            .range(0, 1e6),
        surface_option(), allow_resample_option("A run on another grid than the model's")}}};
  spec.examples = {
      {"noema predict model-ridge.safetensors new-bids predictions", "Every run of a dataset."},
      {"noema predict model-long-conv.safetensors sub-09_task-x_bold.nii.gz out --step 5",
       "One run, a window every five volumes."},
      {"noema predict model-ridge.safetensors new-bids out --events dataset", "The blocks of the events."}};
  spec.run = run_predict;
  return spec;
}

}  // namespace noema
