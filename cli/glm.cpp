// noema glm
#include "noema/pipelines/glm.h"

#include <fmt/format.h>

#include <algorithm>

#include "noema/cli/commands.h"
#include "noema/cli/option_groups.h"
#include "noema/core/error.h"

namespace noema {
namespace {

OptionGroup images_group() {
  OptionGroup group{
      "Images",
      {input_path("mask", "FILE",
                  "A mask on the runs' grid; without it their brain masks, else masks from their mean images"),
       number("fwhm", "MM", "Gaussian smoothing; 0: none").by_default("0").range(0, 100)}};
  const std::vector<OptionSpec> confounds = confound_options("become columns of the design");
  group.options.insert(group.options.end(), confounds.begin(), confounds.end());
  group.options.push_back(
      integer("drop-first", "N", "Volumes to cut off at the start of each run").by_default("0").range(0, 1e6));
  return group;
}

OptionGroup model_group() {
  return {
      "Model",
      {text("label-column", "NAME", "The column of the events files that holds the condition").by_default("trial_type"),
       input_path("labels", "FILE",
                  "A table with the columns from and to that renames or merges conditions (to n/a: leave out)"),
       choice("hrf",
              {"spm", "spm+derivative", "spm+derivative+dispersion", "glover", "glover+derivative",
               "glover+derivative+dispersion"},
              "The haemodynamic response, and its derivatives as further columns")
           .by_default("spm"),
       choice("noise", {"ar1", "ols"}, "Noise that remembers the volume before (prewhitened), or white noise")
           .by_default("ar1"),
       text("high-pass", "HZ",
            "Cosine drifts up to this frequency; none: a linear drift; auto: 1/128 Hz where the design "
            "bears it, else a linear drift")
           .by_default("0.0078125"),
       number("slice-time-reference", "NUMBER",
              "When in the repetition time a volume is taken to be acquired, from 0 (its begin) to 1. 0.5 is right for "
              "images whose slices were not shifted in time, or shifted to the middle; 0 where slices were shifted to "
              "the begin and the sidecar has no StartTime")
           .by_default("0.5")
           .range(0, 1),
       text("contrast", "NAME=FORMULA",
            "Contrasts such as \"faces=face - (house + scene)/2\"; formulas name conditions (in '…' where they hold "
            "signs). Without it each condition against the mean of the others, and all: their sum")
           .many()}};
}

OptionGroup inference_group() {
  return {
      "Which voxels count",
      {choice("height-control", {"fdr", "bonferroni", "fpr"},
              "What alpha bounds: the expected share of false voxels among those found, the chance of any, or the "
              "share among voxels without effect (not corrected for their number)")
           .by_default("fdr"),
       number("alpha", "NUMBER", "The level, for effects of both signs together").by_default("0.05").range(0, 1),
       integer("cluster-threshold", "VOXELS", "Leave out clusters of fewer voxels").by_default("0").range(0, 1e9),
       integer("permutations", "N",
               "Also p values from flipping the signs of subjects' effects so many times (all ways, where those "
               "are no more), corrected for all voxels: of t, and of size and mass of clusters; 0: none")
           .by_default("0")
           .range(0, 1e9),
       flag("tfce", "Also permute threshold-free cluster enhancement; needs --permutations"),
       number("cluster-forming-p", "NUMBER", "Voxels with a smaller uncorrected p form the clusters that are permuted")
           .by_default("0.001")
           .range(0, 0.5)}};
}

GroupInferenceOptions read_inference(const CommandArguments& arguments) {
  GroupInferenceOptions options;
  options.height_control = parse_height_control(arguments.text("height-control"));
  options.alpha = arguments.number("alpha");
  options.smallest_cluster = arguments.integer("cluster-threshold");
  options.permutations = arguments.integer("permutations");
  options.tfce = arguments.flag("tfce");
  options.cluster_forming_p = arguments.number("cluster-forming-p");
  options.seed = static_cast<std::uint64_t>(arguments.integer("seed"));
  options.validate();
  return options;
}

ContrastRequest read_contrast(const std::string& word) {
  const std::size_t sign = word.find('=');
  if (sign == std::string::npos || sign == 0 || sign + 1 == word.size()) {
    throw UsageError(fmt::format(
        "--contrast: found '{}', expected NAME=FORMULA, such as \"faces=face - house\" (quoted for the shell)", word));
  }
  return {word.substr(0, sign), word.substr(sign + 1)};
}

GlmOptions read_glm_options(const CommandArguments& arguments) {
  GlmOptions options;
  PrepareOptions& prepare = options.prepare;
  prepare = read_dataset_options(arguments);
  if (arguments.has("analysis_level")) {
    prepare.level = arguments.text("analysis_level") == "group" ? AnalysisLevel::group : AnalysisLevel::participant;
  }
  prepare.label_column = arguments.text("label-column");
  if (arguments.has("mask")) prepare.mask = arguments.path("mask");
  prepare.high_pass_hz = read_auto_number(arguments, "high-pass");
  PreprocessOptions& preprocess = prepare.preprocess;
  preprocess.fwhm_mm = arguments.number("fwhm");
  read_confound_options(arguments, preprocess);
  preprocess.drop_first = static_cast<int>(arguments.integer("drop-first"));
  if (arguments.has("labels")) options.rename = read_label_map(arguments.path("labels"));
  options.hrf = parse_hrf_model(arguments.text("hrf"));
  options.noise = parse_noise_model(arguments.text("noise"));
  options.slice_time_reference = arguments.number("slice-time-reference");
  options.inference = read_inference(arguments);
  for (const std::string& word : arguments.list("contrast")) options.contrasts.push_back(read_contrast(word));
  return options;
}

void print_contrasts(const Results& results, const std::filesystem::path& folder) {
  std::size_t width = 10;
  for (const ContrastRecord& row : results.contrasts) width = std::max(width, row.name.size());
  if (!results.contrasts.empty()) {
    fmt::print("{:<{}}  {:>7}  {:<14}  {:>7}  {:<14}  {}\n", "contrast", width, "max t", "at voxel", "min t",
               "at voxel", "voxels |z| > 3.1");
  }
  const auto place = [](const PeakRecord& peak) {
    return fmt::format("({},{},{})", peak.voxel[0], peak.voxel[1], peak.voxel[2]);
  };
  for (const ContrastRecord& row : results.contrasts) {
    fmt::print("{:<{}}  {:>7.2f}  {:<14}  {:>7.2f}  {:<14}  {} of {}\n", row.name, width, row.max.t, place(row.max),
               row.min.t, place(row.min), row.voxels_above, row.voxels);
  }
  fmt::print("{:<{}}  {}\n", "report", width, (folder / "report.html").string());
}

int run_command(const CommandArguments& arguments) {
  const GlmOptions options = read_glm_options(arguments);
  const Results results = run_glm(options);
  print_contrasts(results, options.prepare.output);
  return results.failed_subjects.empty() ? 0 : 1;
}

}  // namespace

CommandSpec glm_command() {
  CommandSpec spec;
  spec.name = "glm";
  spec.synopsis = "Contrast maps of a general linear model, of each subject and of the group";
  spec.description = {
      "Fits a general linear model to the runs of each subject of a BIDS dataset: conditions of the events convolved "
      "with a haemodynamic response, drifts and confounds. Runs are combined by fixed effects; with several subjects "
      "each contrast is tested over them (one-sample t). Writes maps of effect (percent of the mean), variance, t and "
      "z, the design, contrasts.tsv, results.json and report.html.",
      "With level participant the maps of each of several subjects are written and no group is tested; group and no "
      "level fit every subject and test the group. Voxel indices are those of the runs' files, from 0. The z maps "
      "hold every voxel; those with desc-thresholded hold the voxels that count, whose clusters are in a table beside "
      "them with the share of each that is truly active, at least (confidence 0.95, whatever clusters are looked at). "
      "Maps with desc-permutation hold −log10 p."};
  spec.arguments = bids_app_arguments();
  spec.groups = {dataset_options(false), images_group(), model_group(), inference_group()};
  spec.examples = {
      {"noema glm bids results", "Each condition against the mean of the others, and their sum."},
      {"noema glm bids results --contrast \"places=scene + house - face - body\" --fwhm 6 --confounds motion",
       "One contrast, smoothed images, 24 motion regressors."},
      {"noema glm bids results group --permutations 5000 --tfce --height-control fdr --alpha 0.05",
       "The group, also by permutation."}};
  spec.references = {
      "Friston et al. 1995, Statistical parametric maps in functional imaging: a general linear "
      "approach, doi:10.1002/hbm.460020402",
      "Winkler et al. 2014, Permutation inference for the general linear model, doi:10.1016/j.neuroimage.2014.01.060",
      "Rosenblatt et al. 2018, All-Resolutions Inference for brain imaging, doi:10.1016/j.neuroimage.2018.07.060"};
  spec.run = run_command;
  return spec;
}

}  // namespace noema
