// noema connectome
#include "noema/pipelines/connectome.h"

#include <fmt/format.h>

#include <algorithm>

#include "noema/cli/commands.h"
#include "noema/cli/option_groups.h"
#include "noema/core/error.h"
#include "noema/pipelines/trained_workflow.h"

namespace noema {
namespace {

SpdMean read_reference(const std::string& word) {
  if (word == "euclidean") return SpdMean::euclidean;
  if (word == "log-euclidean") return SpdMean::log_euclidean;
  if (word == "harmonic") return SpdMean::harmonic;
  if (word == "bures") return SpdMean::bures;
  return SpdMean::karcher;
}

/// What is done to the runs is the model's to say.
void refuse_beside_workflow(const CommandArguments& arguments) {
  for (const OptionGroup& group : connectome_command().groups) {
    if (group.title != "Connectivity" && group.title != "Preprocessing") continue;
    for (const OptionSpec& option : group.options) {
      const bool fits = option.name == "workflow" || option.name == "surface" || option.name == "allow-resample";
      if (fits || !arguments.given(option.name)) continue;
      throw UsageError(
          fmt::format("--{}: found it beside --workflow, whose model file says what becomes of the runs; leave it out",
                      option.name));
    }
  }
}

Results apply(const CommandArguments& arguments) {
  refuse_beside_workflow(arguments);
  ApplyWorkflowOptions options;
  options.model = arguments.path("workflow");
  options.prepare = read_series_options(arguments);
  options.prepare.query.needs_events = false;
  return apply_workflow(options);
}

Results measure(const CommandArguments& arguments) {
  ConnectomeOptions options;
  options.prepare = read_prepare_options(arguments);
  options.prepare.query.needs_events = false;
  for (const std::string& kind : arguments.list("kind")) options.kinds.push_back(connectivity_kind(kind));
  options.estimator = covariance_estimator(arguments.text("estimator"));
  options.published = arguments.text("reference") == "published";
  options.reference = read_reference(arguments.text("reference"));
  return run_connectome(options);
}

int run_connectome_command(const CommandArguments& arguments) {
  const Results results = arguments.has("workflow") ? apply(arguments) : measure(arguments);
  const bool written = std::find(results.files.begin(), results.files.end(), "report.html") != results.files.end();
  if (written) fmt::print("report  {}\n", (arguments.path("out_dir") / "report.html").string());
  return results.failed_subjects.empty() ? 0 : 1;
}

}  // namespace

CommandSpec connectome_command() {
  CommandSpec spec;
  spec.name = "connectome";
  spec.synopsis = "Connectivity matrices of every run and of the group";
  spec.description = {
      "Preprocesses the runs as noema decode does (confounds, filters, censoring, regions of an atlas) and writes who "
      "fluctuates with whom: one table for each run, kind and group, all of them with the names and centres of the "
      "regions in one file connectome.h5, and a report with the group's matrices and their strongest edges inside the "
      "outline of the brain. Censored volumes do not count. Without --atlas, --spheres or --features the regions are "
      "geometric parcels of the mask.",
      "Kinds and estimators are those of nilearn's ConnectivityMeasure, whose numbers they give. Group matrices give "
      "every subject the same weight. Tangent matrices are displacements from a mean of these very runs: to predict "
      "from them, take noema decode --samples runs --model fc-ridge --connectivity tangent, where the reference is "
      "made "
      "of each fold's training runs alone.",
      "With --workflow a workflow that noema fit-connectome trained makes the matrices: mask, regions, smoothing, "
      "confounds and censoring are as in its training, nothing is fitted, and scores.tsv holds what its readout says. "
      "Runs of another space or repetition time, or with other confounds, are refused."};
  spec.arguments = bids_app_arguments();
  spec.groups = {
      dataset_options(),
      {"Connectivity",
       {choice("kind", connectivity_kind_names(), "Which matrices are made").many().by_default("correlation"),
        choice(
            "estimator", {"ledoit-wolf", "oas", "empirical"},
            "How covariances are estimated: shrunk to a multiple of the identity by Ledoit and Wolf or by the oracle "
            "approximating shrinkage, or as they are")
            .by_default("ledoit-wolf"),
        input_path("workflow", "MODEL", "A trained workflow (model-workflow.safetensors) that makes the matrices"),
        choice("reference", {"karcher", "published", "log-euclidean", "harmonic", "bures", "euclidean"},
               "The mean that tangent matrices refer to; published: the Karcher mean where nilearn's iteration ends")
            .by_default("karcher")}},
      preprocess_options()};
  spec.examples = {
      {"noema connectome bids results --atlas schaefer200.nii.gz --confounds simple --low-pass 0.1 --fd-threshold 0.5",
       "Correlations of 200 regions."},
      {"noema connectome bids results --kind correlation,partial-correlation,tangent --parcels 100",
       "Three kinds, between geometric parcels."},
      {"noema connectome new-bids results --workflow trained/model-workflow.safetensors",
       "The matrices of a trained workflow, for new runs."}};
  spec.references = {
      "Varoquaux et al. 2010, Detection of brain functional-connectivity difference in post-stroke patients using "
      "group-level covariance modeling, doi:10.1007/978-3-642-15705-9_25",
      "Ledoit and Wolf 2004, A well-conditioned estimator for large-dimensional covariance matrices, "
      "doi:10.1016/S0047-259X(03)00096-4"};
  spec.run = run_connectome_command;
  return spec;
}

}  // namespace noema
