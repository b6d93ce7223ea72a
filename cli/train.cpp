// noema train
#include "noema/pipelines/train.h"

#include <fmt/format.h>

#include "noema/cli/commands.h"
#include "noema/cli/option_groups.h"
#include "noema/core/error.h"

namespace noema {
namespace {

/// The options of `group` that single training has a use for.
OptionGroup without(OptionGroup group, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    std::erase_if(group.options, [&](const OptionSpec& option) { return option.name == name; });
  }
  return group;
}

int run_train(const CommandArguments& arguments) {
  TrainOptions options;
  options.prepare = read_prepare_options(arguments);
  read_label_sources(arguments, options.prepare);
  options.evaluation = read_sample_options(arguments);
  if (options.evaluation.single_trials) {
    throw UsageError("--samples: single trials are for noema decode; a model file cannot ask new data for them");
  }
  options.models = read_fitting_options(arguments);
  const Results results = train_models(options);
  for (const std::string& file : results.files) {
    if (file.ends_with(".safetensors")) fmt::print("model       {}\n", (options.prepare.output / file).string());
  }
  return results.failed_subjects.empty() ? 0 : 1;
}

}  // namespace

CommandSpec train_command() {
  CommandSpec spec;
  spec.name = "train";
  spec.synopsis = "Models fitted on all samples of a BIDS dataset, as files for use on new runs";
  spec.description = {
      "Prepares a BIDS dataset as noema decode does, makes samples of all its labelled blocks, and fits each model "
      "named "
      "on all of them. A model file holds the weights and an input contract: features, grid, TR, preprocessing, "
      "labels, "
      "delay, and what it was trained on.",
      "Nothing is scored, because no sample is left to test on: noema decode cross-validates, noema evaluate tests a "
      "model file on other runs."};
  spec.arguments = {input_path("bids_dir", "BIDS_DIR", "The BIDS dataset"),
                    output_path("out_dir", "OUT_DIR", "Where the model files go; made if it is not there")};
  spec.groups = {dataset_options(), preprocess_options(), label_options(), without(model_options(), {"seeds"})};
  spec.examples = {
      {"noema train ds000105 models --model ridge,long-conv", "Two models of one dataset."},
      {"noema train bids models --model ridge --atlas schaefer.nii.gz --confounds simple --samples volumes",
       "A model of regions, by single volumes."}};
  spec.run = run_train;
  return spec;
}

}  // namespace noema
