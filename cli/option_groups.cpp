#include "noema/cli/option_groups.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "noema/core/error.h"
#include "noema/interpret/attribution.h"
#include "noema/pipelines/models.h"
#include "noema/pipelines/surfaces.h"
#include "noema/preprocess/confounds_strategy.h"

namespace noema {
namespace {

std::optional<double> parse_double(std::string_view word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc{} && end == word.data() + word.size() ? std::optional(value) : std::nullopt;
}

/// "500" or "10%".
void read_screening_amount(const std::string& word, ModelOptions& options) {
  options.screening_keep_is_percent = word.ends_with('%');
  const auto value =
      parse_double(std::string_view(word).substr(0, word.size() - (options.screening_keep_is_percent ? 1 : 0)));
  if (!value || !(*value > 0)) {
    throw UsageError(
        fmt::format("--screening-features: found '{}', expected a number such as 500 or a share such as 10%", word));
  }
  options.screening_keep = *value;
}

void read_delay(const CommandArguments& arguments, LabelRule& rule) {
  const std::string word = arguments.text("delay");
  if (word == "auto") return;
  if (word == "hrf") {
    rule.delay = DelayKind::hrf;
    return;
  }
  const auto value = parse_double(word);
  if (!value) throw UsageError(fmt::format("--delay: found '{}', expected auto, hrf or seconds", word));
  rule.delay = DelayKind::fixed;
  rule.delay_s = *value;
}

std::optional<SampleUnit> read_unit(const std::string& word) {
  if (word == "volumes") return SampleUnit::volumes;
  if (word == "blocks") return SampleUnit::blocks;
  if (word == "trials") return SampleUnit::trials;
  if (word == "runs") return SampleUnit::runs;
  return std::nullopt;  // auto
}

std::optional<TrialModel> read_single_trials(const std::string& word) {
  if (word == "single-trials-lsa") return TrialModel::lsa;
  if (word == "single-trials-lss") return TrialModel::lss;
  return std::nullopt;
}

/// How many clusters "rena:N" asks for; 0 for other features.
int read_clusters(const CommandArguments& arguments) {
  const std::string word = arguments.text("features");
  static const std::vector<std::string> kKinds{"auto", "voxels", "parcels"};
  if (std::find(kKinds.begin(), kKinds.end(), word) != kKinds.end()) return 0;
  const auto count = word.starts_with("rena:") ? parse_double(std::string_view(word).substr(5)) : std::nullopt;
  if (!count || *count != std::floor(*count) || *count < 2 || *count > 100000) {
    throw UsageError(
        fmt::format("--features: found '{}', expected auto, voxels, parcels or rena:N with N from 2 to 100000", word));
  }
  if (!arguments.has("screening")) {
    throw UsageError(
        "--features rena: clusters are made of the training samples of a model, for decode and train; take voxels");
  }
  for (const char* other : {"atlas", "spheres"}) {
    if (arguments.has(other)) {
      throw UsageError(fmt::format("--features rena joins voxels, and --{} are regions; give one of them", other));
    }
  }
  return static_cast<int>(*count);
}

void read_cleaning(const CommandArguments& arguments, CleanOptions& clean) {
  clean.detrend = !arguments.flag("no-detrend");
  clean.standardize = standardize_by(arguments.text("standardize"));
  clean.filter = temporal_filter(arguments.text("filter"));
  if (arguments.has("low-pass")) {
    clean.low_pass_hz = arguments.number("low-pass");
    clean.filter = TemporalFilter::butterworth;  // cosines cannot take away what is fast
  }
}

const std::vector<std::string> kRegionStatistics{
    "mean", "median", "sum", "minimum", "maximum", "variance", "standard_deviation"};
const std::vector<std::string> kSplitUnits{"auto", "subject", "run", "block", "occurrence", "group", "shuffled"};

void read_split_options(const CommandArguments& arguments, EvaluationOptions& options) {
  const std::string word = arguments.text("split");
  ProblemOptions& problem = options.problem;
  problem.split.group = arguments.text("group");
  problem.split.folds = static_cast<int>(arguments.integer("folds"));
  problem.seed = static_cast<std::uint64_t>(arguments.integer("seed"));
  if (word == "shuffled") {
    problem.shuffled_folds = problem.split.folds;
    return;
  }
  if (std::find(kSplitUnits.begin(), kSplitUnits.end(), word) != kSplitUnits.end()) {
    problem.split.unit = word;
    return;
  }
  if (!word.ends_with(".tsv")) {
    const auto nearest = nearest_match(word, kSplitUnits);
    throw UsageError(fmt::format("--split: found '{}', expected one of {} or a table FILE.tsv{}", word,
                                 fmt::join(kSplitUnits, ", "),
                                 nearest ? fmt::format("; did you mean {}?", *nearest) : ""));
  }
  problem.split.unit = "given";
  problem.split.file = word;
}

}  // namespace

std::vector<OptionSpec> model_and_dataset_arguments() {
  return {input_path("model", "MODEL", "A model file (.safetensors)"),
          input_path("bids_dir", "BIDS_DIR", "The BIDS dataset"),
          output_path("out_dir", "OUT_DIR", "Where the results go; made if it is not there")};
}

std::vector<OptionSpec> bids_app_arguments() {
  return {
      input_path("bids_dir", "BIDS_DIR", "The BIDS dataset"),
      output_path("out_dir", "OUT_DIR", "Where the results go; made if it is not there"),
      choice("analysis_level", {"participant", "group"},
             "participant: preprocess the subjects, for instance one by one under a scheduler; group: all that needs "
             "every subject. Without it both")
          .may_be_absent()};
}

OptionGroup dataset_options(bool at_once) {
  OptionGroup group{
      "Which data",
      {text("participant-label", "LABEL", "Subjects, with or without sub-; without it all").many(),
       text("task", "LABEL", "The task, where there are several"),
       text("space", "LABEL", "The space of preprocessed runs, where there are several"),
       text("session", "LABEL", "One session"), text("run", "LABEL", "One run"),
       input_path("derivatives", "DIR", "Folders of preprocessed data outside of BIDS_DIR/derivatives").many(),
       input_path("bids-filter-file", "FILE",
                  "A BIDS filter file (JSON) whose \"bold\" object names entities to match")}};
  if (at_once) {
    group.options.push_back(
        integer("n-procs", "N", "Subjects that are preprocessed at once").by_default("1").range(1, 4096));
  }
  return group;
}

std::vector<OptionSpec> confound_options(const std::string& fate) {
  return {text("confounds", "CHOICE",
               fmt::format("Confounds of the derivatives that {}. One of {}; one of these and more, as in "
                           "simple+global_signal; parts alone, as in "
                           "motion=basic,high_pass,wm_csf=full,compcor=anat_separated:5,scrub=5; high-variance:5 (that "
                           "many of the data themselves, which needs no file); or columns by a formula, as in "
                           "'formula: dd1(rps+wm+csf+gsr)^^2' (see the page on confounds)",
                           fate, fmt::join(kConfoundsStrategies, ", ")))
              .by_default("none"),
          number("fd-threshold", "MM", "Leave out volumes whose framewise displacement is larger").range(0, 100),
          number("dvars-threshold", "NUMBER", "Leave out volumes whose standardised DVARS is larger").range(0, 1000),
          flag("compute-missing",
               "Where volumes are left out and the confounds file lacks framewise displacement or standardised DVARS, "
               "compute them from the motion parameters and the voxels; without it that is an error")};
}

OptionSpec allow_resample_option(const std::string& what) {
  return flag("allow-resample", what + " is resampled instead of refused; the record says so");
}

OptionGroup preprocess_options() {
  OptionGroup group{
      "Preprocessing",
      {input_path("mask", "FILE",
                  "A mask on the runs' grid; without it their brain masks, else masks from their mean images"),
       input_path(
           "atlas", "FILE",
           "Regions: an image of labels, or of one map a volume, on the runs' grid; a dlabel file for grayordinates"),
       input_path("atlas-names", "FILE", "Names of the regions; without it a table beside the atlas"),
       input_path("spheres", "FILE",
                  "Spheres as regions: a table with the columns x, y, z (mm in the runs' space) and name"),
       number("sphere-radius", "MM", "Radius of the spheres; without it the voxel that holds the point").range(0, 100),
       choice("region-statistic", kRegionStatistics,
              "What the value of a region is, of the values of its voxels; of spheres and geometric parcels too")
           .by_default("mean"),
       allow_resample_option("A mask or atlas on another grid"),
       text(
           "features", "KIND",
           "What series are taken of: voxels, or geometric parcels of the mask. auto: voxels up to 60,000 of them. "
           "rena:N (decode and train): each model joins the voxels to N clusters of neighbours that go together in its "
           "training samples")
           .by_default("auto"),
       integer("parcels", "N", "Geometric parcels").by_default("400").range(2, 100000),
       number("fwhm", "MM",
              "Gaussian smoothing; 0: none. Grayordinates are smoothed along the meshes of --surface, and within each "
              "deep structure")
           .by_default("0")
           .range(0, 100),
       surface_option()}};
  const std::vector<OptionSpec> scaling{
      text("high-pass", "HZ",
           "auto, none, or a cut-off frequency. auto: 1/128 Hz where that is slow enough for the "
           "design, else detrending alone")
          .by_default("auto"),
      number("low-pass", "HZ", "A low-pass cut-off (Butterworth)").range(0, 100),
      choice("filter", {"cosine", "butterworth"}, "How the high-pass is done").by_default("cosine"),
      integer("drop-first", "N", "Volumes to cut off at the start of each run").by_default("0").range(0, 1e6),
      flag("no-detrend", "Keep linear trends"),
      choice("standardize", {"zscore", "zscore-population", "percent", "none"},
             "How each series of a run is scaled. zscore: to a standard deviation (n - 1) of 1; zscore-population: "
             "that of n")
          .by_default("zscore")};
  for (const std::vector<OptionSpec>& more : {confound_options("are regressed out"), scaling}) {
    group.options.insert(group.options.end(), more.begin(), more.end());
  }
  return group;
}

OptionGroup series_options() {
  OptionGroup group = preprocess_options();
  std::erase_if(group.options, [](const OptionSpec& option) {
    const std::vector<std::string> cleaning{"high-pass", "low-pass", "filter", "no-detrend", "standardize"};
    return std::find(cleaning.begin(), cleaning.end(), option.name) != cleaning.end();
  });
  return group;
}

OptionGroup label_source_options() {
  return {
      "Labels",
      {text("conditions", "LABEL", "Labels to tell apart, after renaming; without it all").many(),
       input_path("labels", "FILE",
                  "A table with the columns from and to that renames or merges labels (to n/a: leave out)"),
       text("label-column", "NAME", "The column of the events files that holds the label").by_default("trial_type"),
       text("run-label", "NAME", "One label a run: an entity of its file name or a column of participants.tsv"),
       number("block-gap", "SECONDS", "Largest gap between events of one block; without it the larger of TR and 2 s")
           .range(0, 1e6),
       choice("overlap", {"error", "later", "drop"}, "What happens where events of different labels overlap")
           .by_default("error")}};
}

OptionGroup label_options() {
  OptionGroup group = label_source_options();
  group.title = "Labels and samples";
  const std::vector<OptionSpec> samples{
      choice("samples", {"auto", "volumes", "blocks", "trials", "runs", "single-trials-lsa", "single-trials-lss"},
             "What one sample is. auto: blocks where every training fold has five of each label, else volumes; runs "
             "with --run-label; single-trials (decode alone): the estimate of each event by a linear model, of all in "
             "one (lsa) or each in its own, with one column for all others (lss); runs are then never split")
          .by_default("auto"),
      text("delay", "SECONDS",
           "From the events to the response: seconds, hrf (weighted by the predicted response), or "
           "auto (estimated in each training fold)")
          .by_default("auto"),
      number("discard", "SECONDS", "Left out at the start of each block").by_default("0").range(0, 1e6),
      number("extend", "SECONDS", "Added after the end of each block").by_default("0").range(0, 1e6),
      number("trial-window", "SECONDS", "Window of each event, with --samples trials").by_default("0").range(0, 1e6),
      choice("windows", {"blocks", "hcp"},
             "Which volumes an event labels. blocks: those of its block, by the options above; hcp: those that begin "
             "from a TR after its onset to two TRs after its end, without delay, and where two events meet the later "
             "one has the volume (the rule of Thomas et al. for the tasks of the Human Connectome Project; one sample "
             "is then one volume, unless --samples blocks)")
          .by_default("blocks")};
  group.options.insert(group.options.end(), samples.begin(), samples.end());
  return group;
}

OptionGroup evaluation_options() {
  return {
      "Evaluation",
      {text("split", "UNIT",
            "What is left out together: auto, subject, run, block, occurrence, group, shuffled, or a table FILE.tsv")
           .by_default("auto"),
       text("group", "NAME",
            "With --split group: subject, session, run, or a column of participants.tsv such as family or site")
           .by_default("subject"),
       integer("folds", "N", "With --split group or shuffled: number of folds").by_default("5").range(2, 1000),
       flag("allow-leakage", "Go on when test data can be seen in training; the report says so"),
       integer("permutations", "N",
               "Label permutations for every model; without it 200 for linear models and none for networks")
           .range(0, 1e6)}};
}

OptionGroup model_options() {
  std::vector<std::string> names = model_names();
  return {
      "Models",
      {text("model", "NAME",
            fmt::format("Models: {}. Without it ridge, logistic and long-conv beside the baselines",
                        fmt::join(names, ", ")))
           .many(),
       input_path("backbone", "FILE.toml",
                  "An own network, as a list of mixers: the model backbone, beside those that --model names"),
       integer("seeds", "N", "Random starts of each network").by_default("3").range(1, 1000),
       choice("screening", {"auto", "none", "anova", "task"},
              "Choice of features in each training fold. auto: anova for voxels, none for regions")
           .by_default("auto"),
       text("screening-features", "N", "How many features screening keeps: a number, or a share such as 10%")
           .by_default("500"),
       choice("connectivity", {"correlation", "partial-correlation", "tangent"},
              "What fc-ridge reads of each sample: Fisher's z of correlations or partial correlations, or tangent "
              "vectors at the mean covariance of each fold's training samples")
           .by_default("correlation"),
       choice("whitening", {"auto", "on", "off"},
              "Shrinkage whitening of features in each training fold. auto: as the model's "
              "recipe has it")
           .by_default("auto"),
       integer("epochs", "N", "Epochs of networks; without it as the recipe has it").range(1, 100000),
       integer(
           "early-stopping", "EPOCHS",
           "Hold in one training subject (or run) and stop networks after so many epochs without a lower loss on it")
           .range(1, 100000)}};
}

OptionSpec attribution_option() {
  std::vector<std::string> names;
  for (const AttributionFacts& facts : attribution_methods()) names.emplace_back(facts.name);
  return text("attribution", "METHOD", fmt::format("Attribution methods: {}", fmt::join(names, ", ")))
      .many()
      .by_default("gradient,integrated-gradients");
}

OptionSpec surface_option() {
  return input_path("surface", "FILE",
                    "Runs of grayordinates (CIFTI): meshes of the left and the right cortex (L.surf.gii R.surf.gii) "
                    "that smoothing goes along and the report's maps are drawn on")
      .many();
}

OptionGroup explain_options() {
  return {
      "Explanation",
      {attribution_option(), flag("no-glm", "Make no GLM maps"),
       number("map-fwhm", "MM", "Maps are compared as they are and smoothed by this").by_default("8").range(0, 100)}};
}

double read_number(const std::string& word, const std::string& option) {
  const auto value = parse_double(word);
  if (!value) throw UsageError(fmt::format("--{}: found '{}', expected a number", option, word));
  return *value;
}

AutoNumber read_auto_number(const CommandArguments& arguments, const std::string& name) {
  const std::string word = arguments.text(name);
  if (word == "auto") return {};
  if (word == "none") return {AutoNumber::Kind::none, 0};
  const auto value = parse_double(word);
  if (!value || !(*value > 0)) {
    throw UsageError(fmt::format("--{}: found '{}', expected auto, none or a number above 0", name, word));
  }
  return {AutoNumber::Kind::given, *value};
}

DatasetQuery read_query(const CommandArguments& arguments) {
  DatasetQuery query;
  query.participants = arguments.list("participant-label");
  const std::pair<const char*, std::string*> entities[] = {
      {"task", &query.task}, {"space", &query.space}, {"session", &query.session}, {"run", &query.run}};
  for (const auto& [name, value] : entities) {
    if (arguments.has(name)) *value = arguments.text(name);
  }
  for (const std::string& folder : arguments.list("derivatives")) query.derivatives.emplace_back(folder);
  if (arguments.has("bids-filter-file")) query.filter_file = arguments.path("bids-filter-file");
  return query;
}

PrepareOptions read_dataset_options(const CommandArguments& arguments) {
  PrepareOptions options;
  options.root = arguments.path("bids_dir");
  options.output = arguments.path("out_dir");
  options.query = read_query(arguments);
  if (arguments.has("n-procs")) options.processes = static_cast<int>(arguments.integer("n-procs"));
  options.seed = static_cast<std::uint64_t>(arguments.integer("seed"));
  options.configuration = arguments.effective_toml();
  return options;
}

PrepareOptions read_series_options(const CommandArguments& arguments) {
  PrepareOptions options = read_dataset_options(arguments);
  if (arguments.has("analysis_level")) {
    options.level = arguments.text("analysis_level") == "group" ? AnalysisLevel::group : AnalysisLevel::participant;
  }
  options.preprocess.fwhm_mm = arguments.number("fwhm");
  options.preprocess.region_statistic = *parse_region_statistic(arguments.text("region-statistic"));
  read_confound_options(arguments, options.preprocess);
  options.preprocess.drop_first = static_cast<int>(arguments.integer("drop-first"));
  read_surfaces(arguments, options);
  if (arguments.has("mask")) options.mask = arguments.path("mask");
  if (arguments.has("atlas")) options.atlas = arguments.path("atlas");
  if (arguments.has("atlas-names")) options.atlas_names = arguments.path("atlas-names");
  if (arguments.has("spheres")) options.spheres = arguments.path("spheres");
  if (arguments.has("sphere-radius")) options.sphere_radius_mm = arguments.number("sphere-radius");
  options.allow_resample = arguments.flag("allow-resample");
  options.features = arguments.text("features");
  if (read_clusters(arguments) > 0) options.features = "voxels";
  options.parcels = static_cast<int>(arguments.integer("parcels"));
  return options;
}

PrepareOptions read_prepare_options(const CommandArguments& arguments) {
  PrepareOptions options = read_series_options(arguments);
  read_cleaning(arguments, options.preprocess.clean);
  options.high_pass_hz = read_auto_number(arguments, "high-pass");
  return options;
}

void read_confound_options(const CommandArguments& arguments, PreprocessOptions& options) {
  options.confounds = arguments.text("confounds");
  static_cast<void>(with_context("--confounds", [&] { return confounds_strategy(options.confounds); }));
  if (arguments.has("fd-threshold")) options.fd_threshold_mm = arguments.number("fd-threshold");
  if (arguments.has("dvars-threshold")) options.std_dvars_threshold = arguments.number("dvars-threshold");
  options.compute_missing = arguments.flag("compute-missing");
}

void read_surfaces(const CommandArguments& arguments, PrepareOptions& options) {
  for (const std::string& file : arguments.list("surface")) options.surfaces.emplace_back(file);
  if (options.surfaces.empty()) return;
  options.preprocess.surfaces = std::make_shared<const std::vector<SurfaceMesh>>(
      with_context("--surface", [&] { return read_meshes(options.surfaces); }));
}

void read_label_sources(const CommandArguments& arguments, PrepareOptions& options) {
  options.label_column = arguments.text("label-column");
  if (arguments.has("run-label")) options.run_label = arguments.text("run-label");
  options.query.needs_events = options.run_label.empty();
}

LabelRule read_label_rule(const CommandArguments& arguments) {
  LabelRule rule;
  rule.conditions = arguments.list("conditions");
  if (arguments.has("labels")) rule.rename = read_label_map(arguments.path("labels"));
  if (arguments.has("block-gap")) rule.block_gap_s = arguments.number("block-gap");
  const std::string overlap = arguments.text("overlap");
  rule.overlap = overlap == "later"  ? OverlapPolicy::later
                 : overlap == "drop" ? OverlapPolicy::drop
                                     : OverlapPolicy::error;
  return rule;
}

namespace {

/// The windows of the HCP are all of a rule. @throws UsageError for what it leaves no place for
void read_hcp_windows(const CommandArguments& arguments, EvaluationOptions& options) {
  for (const char* name : {"delay", "discard", "extend", "trial-window", "block-gap", "overlap", "run-label"}) {
    if (!arguments.given(name)) continue;
    throw UsageError(
        fmt::format("--windows hcp says which volumes an event labels, and --{} says so, too; leave one of "
                    "the two out",
                    name));
  }
  const std::string samples = arguments.text("samples");
  if (samples != "auto" && samples != "volumes" && samples != "blocks") {
    throw UsageError(
        fmt::format("--windows hcp labels volumes: found --samples {}, expected volumes or blocks", samples));
  }
  options.rule.windows = EventWindows::hcp;
  options.rule.delay = DelayKind::fixed;
  options.problem.unit = samples == "blocks" ? SampleUnit::blocks : SampleUnit::volumes;
}

}  // namespace

EvaluationOptions read_sample_options(const CommandArguments& arguments) {
  EvaluationOptions options;
  LabelRule& rule = options.rule = read_label_rule(arguments);
  rule.discard_s = arguments.number("discard");
  rule.extend_s = arguments.number("extend");
  rule.trial_s = arguments.number("trial-window");
  read_delay(arguments, rule);
  options.problem.unit = read_unit(arguments.text("samples"));
  if (arguments.text("windows") == "hcp") read_hcp_windows(arguments, options);
  options.single_trials = read_single_trials(arguments.text("samples"));
  if (options.single_trials && arguments.text("delay") != "auto") {
    throw UsageError("--delay: single trials model the response themselves; leave it out");
  }
  // A label that holds for a whole run makes the run the natural sample.
  if (!options.problem.unit && arguments.has("run-label")) options.problem.unit = SampleUnit::runs;
  if (options.problem.unit == SampleUnit::trials && !(rule.trial_s > 0)) {
    throw UsageError("--samples trials needs --trial-window SECONDS");
  }
  return options;
}

EvaluationOptions read_evaluation_options(const CommandArguments& arguments) {
  EvaluationOptions options = read_sample_options(arguments);
  read_split_options(arguments, options);
  options.problem.allow_leakage = arguments.flag("allow-leakage");
  return options;
}

ModelOptions read_fitting_options(const CommandArguments& arguments) {
  ModelOptions options;
  options.models = arguments.list("model");
  if (arguments.has("backbone")) options.models.push_back(arguments.path("backbone").string());
  options.seed = static_cast<std::uint64_t>(arguments.integer("seed"));
  options.screening = arguments.text("screening");
  options.clusters = read_clusters(arguments);
  read_screening_amount(arguments.text("screening-features"), options);
  if (arguments.text("whitening") != "auto") options.whiten = arguments.text("whitening") == "on";
  options.connectivity = arguments.text("connectivity");
  if (arguments.has("epochs")) options.epochs = static_cast<int>(arguments.integer("epochs"));
  if (arguments.has("early-stopping")) options.patience = static_cast<int>(arguments.integer("early-stopping"));
  return options;
}

ModelOptions read_model_options(const CommandArguments& arguments) {
  ModelOptions options = read_fitting_options(arguments);
  options.seeds = static_cast<int>(arguments.integer("seeds"));
  if (arguments.has("permutations")) options.permutations = static_cast<int>(arguments.integer("permutations"));
  return options;
}

std::vector<std::string> read_attribution_methods(const CommandArguments& arguments) {
  std::vector<std::string> methods = arguments.list("attribution");
  for (const std::string& name : methods) attribution_method(name);  // refuses unknown names before any work
  return methods;
}

ExplainOptions read_explain_options(const CommandArguments& arguments) {
  ExplainOptions options;
  options.methods = read_attribution_methods(arguments);
  options.glm = !arguments.flag("no-glm");
  options.map_fwhm_mm = arguments.number("map-fwhm");
  return options;
}

void print_scores(const Results& results, const std::filesystem::path& folder) {
  std::size_t width = 10;
  for (const ModelScores& model : results.models) width = std::max(width, model.name.size());
  for (const ModelScores& model : results.models) {
    fmt::print("{:<{}}  {:.3f}  [{:.3f}, {:.3f}]{}\n", model.name, width, model.balanced_accuracy, model.interval.low,
               model.interval.high, model.is_baseline ? "  baseline" : "");
  }
  fmt::print("{:<{}}  {:.3f}\n{:<{}}  {}\n", "chance", width, results.chance, "report", width,
             (folder / "report.html").string());
}

}  // namespace noema
