// noema glm
#include "noema/pipelines/glm.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "noema/cli/commands.h"
#include "noema/cli/option_groups.h"
#include "noema/core/error.h"
#include "noema/pipelines/stats_model_glm.h"

namespace noema {
namespace {

OptionGroup images_group() {
  OptionGroup group{
      "Images",
      {input_path("mask", "FILE",
                  "A mask on the runs' grid; without it their brain masks, else masks from their mean images"),
       allow_resample_option("A mask on another grid"),
       number("fwhm", "MM", "Gaussian smoothing; 0: none").by_default("0").range(0, 100)}};
  const std::vector<OptionSpec> confounds = confound_options("become columns of the design");
  group.options.insert(group.options.end(), confounds.begin(), confounds.end());
  group.options.push_back(
      integer("drop-first", "N", "Volumes to cut off at the start of each run").by_default("0").range(0, 1e6));
  group.options.push_back(surface_option());
  return group;
}

OptionGroup model_group() {
  return {
      "Model",
      {input_path(
           "model", "FILE",
           "A BIDS Stats Model (JSON): nodes Run, Session, Subject and Dataset with Factor, Convolve (spm or "
           "glover), t and F contrasts, and wildcards in X; numbers of participants are taken as they are, not less "
           "their mean. It says conditions, response, drifts, confounds and contrasts; the rest as below"),
       text("label-column", "NAME", "The column of the events files that holds the condition").by_default("trial_type"),
       input_path("labels", "FILE",
                  "A table with the columns from and to that renames or merges conditions (to n/a: leave out)"),
       choice("hrf",
              {"spm", "spm+derivative", "spm+derivative+dispersion", "glover", "glover+derivative",
               "glover+derivative+dispersion", "fir", "none"},
              "The haemodynamic response, and its derivatives as further columns. fir: a column for each delay, named "
              "such as face_delay_2; none: the events as they are")
           .by_default("spm"),
       integer("fir-delays", "VOLUMES", "Volumes from an event to each column, with --hrf fir; without it 0 to 9")
           .range(0, 1000)
           .many(),
       text("noise", "MODEL",
            "ar1: noise that remembers the volume before (prewhitened); ar2 to ar20: more volumes, each voxel with its "
            "own weights; ols: white noise")
           .by_default("ar1"),
       choice("run-weights", {"equal", "precision"},
              "How a subject's runs are combined: their mean, or weighted by the inverse of their variance")
           .by_default("equal"),
       text("high-pass", "HZ",
            "Cosine drifts up to this frequency; none: a linear drift, or as --drift-order says; auto: 1/128 Hz where "
            "the design "
            "bears it, else a linear drift")
           .by_default("0.0078125"),
       integer("drift-order", "N", "With --high-pass none: powers of time up to this one as drifts; 0: no drifts")
           .by_default("1")
           .range(0, 20),
       choice("scaling", {"voxel", "grand", "volume", "none"},
              "What effects are in percent of: the voxel's mean over the run, the run's mean over all voxels, or each "
              "volume's mean (which also takes away what all voxels share); none: they are in the unit of the images")
           .by_default("voxel"),
       number("slice-time-reference", "NUMBER",
              "When in the repetition time a volume is taken to be acquired, from 0 (its begin) to 1. 0.5 is right for "
              "images whose slices were not shifted in time, or shifted to the middle; 0 where slices were shifted to "
              "the begin and the sidecar has no StartTime")
           .by_default("0.5")
           .range(0, 1),
       text("contrast", "NAME=FORMULA",
            "Contrasts such as \"faces=face - (house + scene)/2\"; formulas name conditions (in '…' where they hold "
            "signs) or other columns; with a ';' between formulas it is F, such as \"any=face; house\", which over "
            "subjects becomes Hotelling's T² of all rows together, as F. Without it each condition against the mean of "
            "the others, and all: their sum")
           .many(),
       text("confound-columns", "NAME",
            "Further columns of the confounds tables, by name; * stands for any letters, ? for one")
           .many(),
       flag("save-residuals", "Keep what each run's model leaves unexplained, as images")}};
}

OptionGroup group_model_group() {
  return {"Group",
          {text("group-formula", "FORMULA",
                "Columns of participants.tsv, such as \"group + age\": numbers less their mean, text as one column for "
                "each value, group[patient]; matched pairs by \"group + C(pair)\". Without it the mean over subjects"),
           text("group-contrast", "NAME=FORMULA",
                "Contrasts of the group's columns, such as \"more=group[patient] - group[control]\". Without it each "
                "column by itself")
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
       number("height", "Z", "Voxels whose |z| is above this count (of F whose z is), instead of a level")
           .range(0, 1e6),
       integer("cluster-threshold", "VOXELS", "Leave out clusters of fewer voxels").by_default("0").range(0, 1e9),
       integer("permutations", "N",
               "Also p values from rearranging the subjects' effects so many times (all ways, where those are no "
               "more), corrected for all voxels: of t or F, and of size and mass of clusters; 0: none. Signs are "
               "flipped where a mean is asked for, else subjects are shuffled, both of what the other columns of the "
               "group's model leave (Freedman and Lane)")
           .by_default("0")
           .range(0, 1e9),
       flag("tfce", "Also permute threshold-free cluster enhancement; needs --permutations"),
       number("cluster-forming-p", "NUMBER", "Voxels with a smaller uncorrected p form the clusters that are permuted")
           .by_default("0.001")
           .range(0, 0.5),
       flag("one-sided", "Permutations test positive effects alone; without it those of both signs"),
       number("discovery-alpha", "NUMBER",
              "The shares of truly active voxels in the tables of clusters hold with confidence 1 less this")
           .by_default("0.05")
           .range(0, 1),
       text("discovery-heights", "Z",
            "Also a map with those shares, of clusters of voxels whose z is above this; of several heights the highest "
            "that a voxel is above counts")
           .many()}};
}

GroupInferenceOptions read_inference(const CommandArguments& arguments) {
  GroupInferenceOptions options;
  options.height_control = parse_height_control(arguments.text("height-control"));
  options.alpha = arguments.number("alpha");
  options.smallest_cluster = arguments.integer("cluster-threshold");
  options.permutations = arguments.integer("permutations");
  options.tfce = arguments.flag("tfce");
  options.cluster_forming_p = arguments.number("cluster-forming-p");
  options.one_sided = arguments.flag("one-sided");
  options.discovery_alpha = arguments.number("discovery-alpha");
  for (const std::string& word : arguments.list("discovery-heights")) {
    options.discovery_heights.push_back(read_number(word, "discovery-heights"));
  }
  if (arguments.has("height")) {
    if (arguments.given("height-control") || arguments.given("alpha")) {
      throw UsageError("--height takes the place of --height-control and --alpha; leave them out");
    }
    options.height = arguments.number("height");
  }
  options.seed = static_cast<std::uint64_t>(arguments.integer("seed"));
  options.validate();
  return options;
}

ContrastRequest read_contrast(const std::string& word, const char* option) {
  const std::size_t sign = word.find('=');
  if (sign == std::string::npos || sign == 0 || sign + 1 == word.size()) {
    throw UsageError(
        fmt::format("--{}: found '{}', expected NAME=FORMULA, such as \"faces=face - house\" (quoted for the shell)",
                    option, word));
  }
  return {word.substr(0, sign), word.substr(sign + 1)};
}

void read_delays(const CommandArguments& arguments, GlmOptions& options) {
  const std::vector<std::string> words = arguments.list("fir-delays");
  if (options.hrf != HrfModel::fir) {
    if (!words.empty()) throw UsageError("--fir-delays needs --hrf fir");
    return;
  }
  options.fir_delays.resize(10);
  std::iota(options.fir_delays.begin(), options.fir_delays.end(), 0);
  if (words.empty()) return;
  options.fir_delays.clear();
  for (const std::string& word : words) options.fir_delays.push_back(std::stoi(word));
}

void read_drifts(const CommandArguments& arguments, GlmOptions& options) {
  options.prepare.high_pass_hz = read_auto_number(arguments, "high-pass");
  if (!arguments.given("drift-order")) return;
  if (options.prepare.high_pass_hz.kind != AutoNumber::Kind::none) {
    throw UsageError("--drift-order is of powers of time, which take the place of cosine drifts: add --high-pass none");
  }
  options.drift_order = static_cast<int>(arguments.integer("drift-order"));
  options.no_drift = options.drift_order == 0;
}

/// What a model file says must not be said twice.
void take_model(const CommandArguments& arguments, GlmOptions& options) {
  for (const char* name : {"contrast", "confound-columns", "group-formula", "group-contrast", "high-pass",
                           "drift-order", "hrf", "fir-delays", "label-column", "confounds"}) {
    if (arguments.given(name)) throw UsageError(fmt::format("--{} is said by the model file; leave one out", name));
  }
  apply_stats_model(read_stats_model(arguments.path("model")), options);
}

GlmOptions read_glm_options(const CommandArguments& arguments) {
  GlmOptions options;
  PrepareOptions& prepare = options.prepare;
  prepare = read_dataset_options(arguments);
  read_surfaces(arguments, prepare);
  if (arguments.has("analysis_level")) {
    prepare.level = arguments.text("analysis_level") == "group" ? AnalysisLevel::group : AnalysisLevel::participant;
  }
  prepare.label_column = arguments.text("label-column");
  if (arguments.has("mask")) prepare.mask = arguments.path("mask");
  prepare.allow_resample = arguments.flag("allow-resample");
  read_drifts(arguments, options);
  PreprocessOptions& preprocess = prepare.preprocess;
  preprocess.fwhm_mm = arguments.number("fwhm");
  read_confound_options(arguments, preprocess);
  preprocess.drop_first = static_cast<int>(arguments.integer("drop-first"));
  if (arguments.has("labels")) options.rename = read_label_map(arguments.path("labels"));
  options.hrf = parse_hrf_model(arguments.text("hrf"));
  options.noise = parse_noise_model(arguments.text("noise"));
  options.scaling = parse_signal_scaling(arguments.text("scaling"));
  options.slice_time_reference = arguments.number("slice-time-reference");
  options.run_weights = parse_run_weights(arguments.text("run-weights"));
  read_delays(arguments, options);
  for (const std::string& word : arguments.list("contrast")) {
    options.contrasts.push_back(read_contrast(word, "contrast"));
  }
  options.confound_columns = arguments.list("confound-columns");
  options.save_residuals = arguments.flag("save-residuals");
  if (arguments.has("group-formula")) options.group.formula = arguments.text("group-formula");
  for (const std::string& word : arguments.list("group-contrast")) {
    options.group.contrasts.push_back(read_contrast(word, "group-contrast"));
  }
  if (arguments.has("model")) take_model(arguments, options);
  if (!options.group.contrasts.empty() && options.group.is_mean()) {
    throw UsageError("--group-contrast names columns of the group's model: say which by --group-formula");
  }
  options.inference = read_inference(arguments);
  return options;
}

void print_contrasts(const Results& results, const std::filesystem::path& folder) {
  std::size_t width = 10;
  for (const ContrastRecord& row : results.contrasts) width = std::max(width, row.name.size());
  if (!results.contrasts.empty()) {
    fmt::print("{:<{}}  {:>9}  {:<14}  {:>7}  {:<14}  {}\n", "contrast", width, "max t (F)", "at voxel", "min",
               "at voxel", "voxels |z| > 3.1");
  }
  const auto place = [](const PeakRecord& peak) {
    return fmt::format("({},{},{})", peak.voxel[0], peak.voxel[1], peak.voxel[2]);
  };
  for (const ContrastRecord& row : results.contrasts) {
    fmt::print("{:<{}}  {:>9.2f}  {:<14}  {:>7.2f}  {:<14}  {} of {}\n", row.name, width, row.max.t, place(row.max),
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
      "each contrast is tested over them: their mean, or a model of columns of participants.tsv. Writes maps of effect "
      "(percent of the mean, or as --scaling says; of F one for each row), variance, t or F, p (upper tail) and z, the "
      "design of every run with a map of the share of variance it explains, the models as JSON, contrasts.tsv, "
      "results.json and report.html. Subjects that are finished are taken again "
      "when nothing that "
      "decides them changed.",
      "With level participant the maps of each of several subjects are written and no group is tested; group and no "
      "level fit every subject and test the group. Voxel indices are those of the runs' files, from 0. The z maps "
      "hold every voxel; those with desc-thresholded hold the voxels that count, whose clusters are in a table beside "
      "them with the share of each that is truly active, at least (see --discovery-alpha; it holds whatever clusters "
      "are "
      "looked at). "
      "Maps with desc-permutation hold −log10 p."};
  spec.arguments = bids_app_arguments();
  spec.groups = {dataset_options(true), images_group(), model_group(), group_model_group(), inference_group()};
  spec.examples = {
      {"noema glm bids results", "Each condition against the mean of the others, and their sum."},
      {"noema glm bids results --contrast \"places=scene + house - face - body\" --fwhm 6 --confounds motion",
       "One contrast, smoothed images, 24 motion regressors."},
      {"noema glm bids results --group-formula \"group + age\" --group-contrast \"more=group[patient] - "
       "group[control]\"",
       "Patients against controls at equal age."},
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
