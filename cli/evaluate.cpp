// noema evaluate
#include "noema/pipelines/evaluate.h"

#include "noema/cli/commands.h"
#include "noema/cli/option_groups.h"

namespace noema {
namespace {

int run_evaluate(const CommandArguments& arguments) {
  EvaluateOptions options;
  options.model = arguments.path("model");
  options.prepare = read_dataset_options(arguments);
  read_label_sources(arguments, options.prepare);
  read_surfaces(arguments, options.prepare);
  options.prepare.allow_resample = arguments.flag("allow-resample");
  options.rule = read_label_rule(arguments);
  options.allow_leakage = arguments.flag("allow-leakage");
  options.seed = options.prepare.seed;
  const Results results = evaluate_trained_model(options);
  print_scores(results, options.prepare.output);
  return results.failed_subjects.empty() ? 0 : 1;
}

}  // namespace

CommandSpec evaluate_command() {
  CommandSpec spec;
  spec.name = "evaluate";
  spec.synopsis = "A trained model on labelled runs that it has not seen";
  spec.description = {
      "Preprocesses the runs of a BIDS dataset as the model was trained, makes samples of their labelled events by the "
      "model's rule (unit, delay), and scores what the model says of them: balanced accuracy with a bootstrap "
      "interval, "
      "accuracy, macro-F1, log-loss, confusion matrix, beside chance and the most frequent label of the test samples. "
      "Nothing is fitted.",
      "Labels that the model does not know are an error; --conditions picks labels, --labels renames them. A run that "
      "the model was trained on (by the fingerprint of its file) is an error too, unless --allow-leakage."};
  spec.arguments = model_and_dataset_arguments();
  spec.groups = {dataset_options(),
                 label_source_options(),
                 {"Evaluation",
                  {flag("allow-leakage", "Go on with runs that the model was trained on; the results say so"),
                   surface_option(), allow_resample_option("A run on another grid than the model's")}}};
  spec.examples = {{"noema evaluate model-ridge.safetensors new-bids scores", "All labelled runs of a dataset."},
                   {"noema evaluate model-ridge.safetensors new-bids scores --conditions face,house --task localizer",
                    "Two of the labels, of one task."}};
  spec.run = run_evaluate;
  return spec;
}

}  // namespace noema
