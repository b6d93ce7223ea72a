// noema interpret
#include "noema/pipelines/interpret.h"

#include <fmt/format.h>

#include "noema/cli/commands.h"
#include "noema/cli/option_groups.h"

namespace noema {
namespace {

int run_interpret(const CommandArguments& arguments) {
  InterpretOptions options;
  options.model = arguments.path("model");
  options.prepare = read_dataset_options(arguments);
  options.target = arguments.text("target") == "true" ? ExplainedTarget::truth : ExplainedTarget::predicted;
  read_label_sources(arguments, options.prepare);
  read_surfaces(arguments, options.prepare);
  options.prepare.allow_resample = arguments.flag("allow-resample");
  if (options.target == ExplainedTarget::predicted) options.prepare.query.needs_events = false;
  options.rule = read_label_rule(arguments);
  options.step = arguments.has("step") ? static_cast<int>(arguments.integer("step")) : 0;
  options.explain.methods = read_attribution_methods(arguments);
  options.seed = options.prepare.seed;
  const Results results = interpret_model(options);
  for (const FaithfulnessRow& row : results.faithfulness) {
    fmt::print("{:<22}margin falls below random deletion by {:.3f} (standard error {:.3f}, {} samples)\n", row.method,
               row.gain, row.standard_error, row.samples);
  }
  fmt::print("report                {}\n", (options.prepare.output / "report.html").string());
  return results.failed_subjects.empty() ? 0 : 1;
}

}  // namespace

CommandSpec interpret_command() {
  CommandSpec spec;
  spec.name = "interpret";
  spec.synopsis = "Where a trained model looks: attribution maps and how faithful they are";
  spec.description = {
      "Preprocesses the runs of a BIDS dataset as the model was trained and attributes, sample by sample, the margin "
      "of "
      "a label (its decision minus the mean of the others) to the features. The maps are means over the samples of a "
      "subject, then over subjects, one NIfTI map for each label and method; deletion curves tell whether the features "
      "that a map calls important are those that the model uses.",
      "With --target predicted the margin of the model's own answer is explained, window by window; then no events are "
      "needed. That the model was trained on these runs is noted: maps show what a model uses, not how well it does."};
  spec.arguments = model_and_dataset_arguments();
  spec.groups = {
      dataset_options(),
      label_source_options(),
      {"Explanation",
       {choice("target", {"true", "predicted"}, "Which label's margin is explained").by_default("true"),
         attribution_option(), surface_option(), allow_resample_option("A run on another grid than the model's"),
        integer("step", "N",
                "With --target predicted: volumes from one window to the next; without it windows do not overlap")
            .range(1, 1e6)}}};
  spec.examples = {{"noema interpret model-ridge.safetensors bids maps", "Maps of each label."},
                   {"noema interpret model-long-conv.safetensors bids maps --target predicted --attribution gradient",
                    "Of what the model answers, by one method."}};
  spec.run = run_interpret;
  return spec;
}

}  // namespace noema
