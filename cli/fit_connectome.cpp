// noema fit-connectome
#include "noema/pipelines/fit_connectome.h"

#include <fmt/format.h>

#include "noema/cli/commands.h"
#include "noema/cli/option_groups.h"

namespace noema {
namespace {

int run_fit_connectome(const CommandArguments& arguments) {
  FitConnectomeOptions options;
  options.prepare = read_series_options(arguments);
  options.prepare.query.needs_events = false;
  options.workflow = arguments.path("workflow");
  const Results results = fit_connectome(options);
  if (!results.workflow) return results.failed_subjects.empty() ? 0 : 1;
  fmt::print("{:<36}  {:>12}  {:>12}\n", "loss of held-out data", "all fixed", "learned");
  for (const LossRow& row : results.workflow->losses) {
    fmt::print("{:<36}  {:>12.5g}  {:>12.5g}\n", row.loss, row.held_out_fixed, row.held_out_learned);
  }
  fmt::print("report  {}\n", (options.prepare.output / "report.html").string());
  return results.failed_subjects.empty() ? 0 : 1;
}

}  // namespace

CommandSpec fit_connectome_command() {
  CommandSpec spec;
  spec.name = "fit-connectome";
  spec.synopsis = "Train a workflow: filters, denoising, parcels and connectivity, each step fixed or learned";
  spec.description = {
      "A workflow is a chain or graph of blocks declared in a TOML file: fill censored volumes, filter, regress out "
      "confounds, parcellate, covariance, tangent space, readout. Each block is fixed, and then does what noema "
      "preprocess and noema connectome do, or is learned, by any weighted set of losses, such as dependence of edges "
      "on "
      "motion, homogeneity of parcels, or the error of a prediction. The page on workflows lists blocks and losses.",
      "Series are taken without any cleaning (--confounds names what blocks may use; volumes are censored as asked). "
      "Some subjects are held out; losses on them stand beside those of the same workflow with everything fixed. The "
      "model file holds the workflow and what it expects of a run; noema info shows it. Tables and maps of what was "
      "learned, the connectivity of all runs by the trained workflow and a report are written beside it. Interrupted "
      "and called again, training goes on from its checkpoint."};
  spec.arguments = bids_app_arguments();
  spec.groups = {dataset_options(),
                 {"Workflow", {input_path("workflow", "FILE", "The workflow and its training, in TOML")}},
                 series_options()};
  spec.examples = {{"noema fit-connectome bids results --workflow denoise.toml --confounds simple --fd-threshold 0.5 "
                    "--atlas a.nii.gz",
                    "A learned denoiser on the regions of an atlas."},
                   {"noema fit-connectome bids results --workflow parcels.toml --task rest",
                    "Parcels that start from geometric ones."}};
  spec.references = {"Ciric et al. 2022, Differentiable programming for functional connectomics, PMLR 193"};
  spec.run = run_fit_connectome;
  return spec;
}

}  // namespace noema
