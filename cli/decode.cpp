// noema decode
#include "noema/pipelines/decode.h"
#include "noema/cli/commands.h"
#include "noema/cli/option_groups.h"

namespace noema {
namespace {

int run_decode(const CommandArguments& arguments) {
  DecodeOptions options;
  options.prepare = read_prepare_options(arguments);
  read_label_sources(arguments, options.prepare);
  options.evaluation = read_evaluation_options(arguments);
  options.models = read_model_options(arguments);
  options.explain = read_explain_options(arguments);
  options.dry_run = arguments.flag("dry-run");
  const Results results = decode(options);
  if (!results.models.empty()) print_scores(results, options.prepare.output);
  return results.failed_subjects.empty() ? 0 : 1;
}

}  // namespace

CommandSpec decode_command() {
  CommandSpec spec;
  spec.name = "decode";
  spec.synopsis = "From a BIDS dataset to evaluated and explained decoders, maps and a report";
  spec.description = {
      "Takes the task runs of a BIDS dataset (preprocessed by fMRIPrep, or raw; volumes, or with --space fsLR the "
      "grayordinates or parcels of CIFTI files) or of folders of the Human Connectome Project with their events, finds "
      "out how well the labels can be decoded from the brain, and shows where. Runs are cleaned, labels become samples "
      "by a "
      "declared rule, "
      "every model is "
      "cross-validated on one split beside a majority and a nuisance baseline, attribution maps of the held-out "
      "samples are compared "
      "with GLM maps, and everything is put into tables, results.json, NIfTI maps, model files and one report.html.",
      "By default: several subjects, leave one subject out; one subject with several runs, leave one run out; one run, "
      "each label's "
      "first block against its second, and so on. Test data that could be seen in training is an error. Finished "
      "subjects are reused "
      "when a call is repeated."};
  spec.arguments = bids_app_arguments();
  spec.groups = {dataset_options(),
                 preprocess_options(),
                 label_options(),
                 evaluation_options(),
                 model_options(),
                 explain_options(),
                 {"Other", {flag("dry-run", "Say what would be done, and write nothing")}}};
  spec.examples = {
      {"noema decode ds000105 results", "Everything with its defaults."},
      {"noema decode ds000105 results --task objectviewing --conditions face,house --fwhm 4",
       "Two labels of one task, images smoothed with a Gaussian of 4 mm."},
      {"noema decode ds000105 results --model ridge,h3,attention",
       "Other networks beside a linear model (docs/backbones.md lists them, and how to write your own)."},
      {"noema decode bids results participant --participant-label 01",
       "Preprocess one subject, for instance as one job of a cluster."},
      {"noema decode bids results group --derivatives fmriprep --space MNI152NLin2009cAsym --confounds simple",
       "Evaluate all subjects from derivatives that lie elsewhere, with confounds regressed out."},
  };
  spec.references = {
      "Varoquaux et al. 2017, Assessing and tuning brain decoders, doi:10.1016/j.neuroimage.2016.10.038",
      "Haufe et al. 2014, On the interpretation of weight vectors of linear models, "
      "doi:10.1016/j.neuroimage.2013.10.067",
      "Fu et al. 2023, Simple hardware-efficient long convolutions for sequence modeling, arXiv:2302.06646"};
  spec.run = run_decode;
  return spec;
}

}  // namespace noema
