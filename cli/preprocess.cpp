// noema preprocess
#include "noema/pipelines/preprocess.h"

#include <fmt/format.h>

#include "noema/cli/commands.h"
#include "noema/cli/option_groups.h"

namespace noema {
namespace {

int run_preprocess(const CommandArguments& arguments) {
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
      "failed."};
  spec.arguments = bids_app_arguments();
  spec.groups = {
      dataset_options(),
      preprocess_options(),
      {"Labels that are kept",
       {text("label-column", "NAME", "The column of the events files that holds the label").by_default("trial_type"),
        text("run-label", "NAME", "One label a run: an entity of its file name or a column of participants.tsv")}}};
  spec.examples = {{"noema preprocess bids results --fwhm 6", "All subjects, smoothed."},
                   {"noema preprocess bids results participant --participant-label 01 --confounds simple",
                    "One subject, for instance as one job of a cluster."}};
  spec.run = run_preprocess;
  return spec;
}

}  // namespace noema
