// noema finetune
#include "noema/pipelines/finetune.h"

#include <fmt/format.h>

#include "noema/cli/commands.h"
#include "noema/cli/option_groups.h"
#include "noema/core/error.h"

namespace noema {
namespace {

int run_finetune(const CommandArguments& arguments) {
  FinetuneOptions options;
  options.model = arguments.path("model");
  options.prepare = read_dataset_options(arguments);
  read_label_sources(arguments, options.prepare);
  read_surfaces(arguments, options.prepare);
  options.prepare.allow_resample = arguments.flag("allow-resample");
  options.evaluation = read_evaluation_options(arguments);
  if (options.evaluation.single_trials) {
    throw UsageError("--samples: single trials are for noema decode; a model file cannot ask new data for them");
  }
  options.models.seeds = static_cast<int>(arguments.integer("seeds"));
  options.models.seed = options.prepare.seed;
  if (arguments.has("permutations")) {
    options.models.permutations = static_cast<int>(arguments.integer("permutations"));
  }
  if (arguments.has("epochs")) options.tuning.epochs = static_cast<int>(arguments.integer("epochs"));
  options.tuning.learning_rate_scale = arguments.number("learning-rate-scale");
  const Results results = finetune_model(options);
  print_scores(results, options.prepare.output);
  for (const ScoreDifference& row : results.comparisons) {
    fmt::print("difference  {:+.3f}  [{:.3f}, {:.3f}]  {} minus {}, p = {:.3g}\n", row.difference, row.interval.low,
               row.interval.high, row.first, row.second, row.p);
  }
  return results.failed_subjects.empty() ? 0 : 1;
}

}  // namespace

CommandSpec finetune_command() {
  CommandSpec spec;
  spec.name = "finetune";
  spec.synopsis = "A trained model as the start of one for other labels or other people";
  spec.description = {
      "Preprocesses the runs of a BIDS dataset as the model was trained and cross-validates on one split: the model's "
      "architecture trained from scratch, the same beginning with the model's parameters, ridge, and the baselines. "
      "The "
      "fine-tuned model, fitted on all samples, is written as a file.",
      "Networks begin with all parameters, the last layer only where the labels are the same. A ridge model needs the "
      "same labels and is held towards its old weights. A model that was trained on runs which are to be tested is "
      "refused, unless --allow-leakage."};
  spec.arguments = model_and_dataset_arguments();
  spec.groups = {
      dataset_options(),
      label_options(),
      evaluation_options(),
      {"Fine-tuning",
       {integer(
            "epochs", "N",
            "Passes through the samples from the model's parameters on; without it half of the model's training; 0: "
            "none")
            .range(0, 100000),
        number("learning-rate-scale", "NUMBER",
               "The learning rate is that of the model's training, multiplied by this (of a new last layer just that)")
            .by_default(fmt::format("{:g}", FineTuningOptions().learning_rate_scale))
            .range(1e-6, 100),
        surface_option(), allow_resample_option("A run on another grid than the model's"),
        integer("seeds", "N", "Random starts of each network").by_default("3").range(1, 1000)}}};
  spec.examples = {
      {"noema finetune model-long-conv.safetensors new-bids tuned", "A model of many people for new labels."},
      {"noema finetune model-long-conv.safetensors new-bids tuned --epochs 10 --learning-rate-scale 0.1",
       "With small steps, and few."}};
  spec.run = run_finetune;
  return spec;
}

}  // namespace noema
