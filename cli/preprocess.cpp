// noema preprocess
#include "noema/pipelines/preprocess.h"

#include <fmt/format.h>

#include "noema/cli/commands.h"
#include "noema/cli/option_groups.h"
#include "noema/core/error.h"
#include "noema/pipelines/realign.h"

namespace noema {
namespace {

int run_realign(const CommandArguments& arguments) {
  RealignOptions options;
  options.root = arguments.path("bids_dir");
  options.output = arguments.path("out_dir");
  options.query = read_query(arguments);
  if (arguments.has("template")) options.template_image = arguments.path("template");
  options.configuration = arguments.effective_toml();
  bool failed = false;
  fmt::print("{:<32}  {:>8}  {:>24}  {:>7}\n", "run", "volumes", "framewise displacement", "largest");
  for (const RealignedRun& run : realign_dataset(options)) {
    failed = failed || !run.error.empty();
    if (!run.error.empty()) {
      fmt::print("{:<32}  failed\n", run.id);
      continue;
    }
    fmt::print("{:<32}  {:>8}  {:>21.3f} mm  {:>4.2f} mm\n", run.id, run.volumes, run.mean_displacement_mm,
               run.largest_displacement_mm);
  }
  return failed ? 1 : 0;
}

int run_preprocess(const CommandArguments& arguments) {
  if (arguments.flag("realign")) return run_realign(arguments);
  if (arguments.has("template")) throw UsageError("--template goes with --realign");
  PrepareOptions options = read_prepare_options(arguments);
  read_label_sources(arguments, options);
  options.query.needs_events = false;
  const std::vector<PreprocessedSubject> subjects = preprocess_dataset(options);
  bool failed = false;
  fmt::print("{:<12}  {:<9}  {:>5}  {:>9}  {:>8}  {:>8}\n", "subject", "outcome", "runs", "features", "kept",
             "censored");
  for (const PreprocessedSubject& subject : subjects) {
    failed = failed || subject.outcome.kind == SubjectOutcome::Kind::failed;
    fmt::print("{:<12}  {:<9}  {:>5}  {:>9}  {:>8}  {:>8}\n", "sub-" + subject.outcome.subject,
               to_string(subject.outcome.kind), subject.runs, subject.features, subject.volumes - subject.censored,
               subject.censored);
  }
  return failed ? 1 : 0;
}

}  // namespace

CommandSpec preprocess_command() {
  CommandSpec spec;
  spec.name = "preprocess";
  spec.synopsis = "Clean series of every subject, kept for later commands";
  spec.description = {
      "Does the first part of noema decode alone: agrees on one mask and one set of features, cleans the runs of each "
      "subject, and keeps their series (sample stores) and mean images in OUT_DIR, where decode with the same options "
      "takes them up. Events are kept where there are any. Subjects that were finished before are reused if options, "
      "inputs and version agree. preprocessing.tsv says what became of each subject; the exit status is 1 when one "
      "failed.",
      "With --realign it does something else: it finds how the head moved in each recorded run, puts the volumes back "
      "on their mean image (or, with --template, on the template's grid, after an affine registration by mutual "
      "information) in one interpolation, and writes them as a derivative dataset that other commands take with "
      "--derivatives: the runs, their means, the six motion parameters (mm, radians) with the framewise displacement, "
      "and the transforms as text. The cleaning options do not matter then."};
  spec.arguments = bids_app_arguments();
  spec.groups = {
      dataset_options(),
      {"Motion",
       {flag("realign", "Correct the motion of the recorded runs, and do nothing else"),
        input_path("template", "FILE", "With --realign: the image that the runs are laid over")}},
      preprocess_options(),
      {"Labels that are kept",
       {text("label-column", "NAME", "The column of the events files that holds the label").by_default("trial_type"),
        text("run-label", "NAME", "One label a run: an entity of its file name or a column of participants.tsv")}}};
  spec.examples = {{"noema preprocess bids results --fwhm 6", "All subjects, smoothed."},
                   {"noema preprocess bids results participant --participant-label 01 --confounds simple",
                    "One subject, for instance as one job of a cluster."},
                   {"noema preprocess bids realigned --realign --template tpl-MNI152NLin2009cAsym_res-02_T1w.nii.gz",
                    "Motion correction, in the space of a template."}};
  spec.run = run_preprocess;
  return spec;
}

}  // namespace noema
