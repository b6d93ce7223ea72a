// noema preprocess
#include "noema/pipelines/preprocess.h"

#include <fmt/format.h>

#include "noema/cli/commands.h"
#include "noema/cli/option_groups.h"
#include "noema/core/error.h"
#include "noema/pipelines/realign.h"
#include "noema/pipelines/resample_runs.h"
#include "noema/pipelines/to_surface.h"

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

std::optional<SurfaceSampling> read_sampling(const std::string& word) {
  if (word == "line") return SurfaceSampling::line;
  if (word == "ball") return SurfaceSampling::ball;
  if (word == "depth") return SurfaceSampling::depth;
  return std::nullopt;  // auto
}

ToSurfaceOptions read_to_surface(const CommandArguments& arguments) {
  ToSurfaceOptions options;
  options.root = arguments.path("bids_dir");
  options.output = arguments.path("out_dir");
  options.query = read_query(arguments);
  for (const std::string& file : arguments.list("surface")) options.surfaces.emplace_back(file);
  for (const std::string& file : arguments.list("inner-surface")) options.inner_surfaces.emplace_back(file);
  options.kind = read_sampling(arguments.text("surface-sampling"));
  options.radius_mm = arguments.number("surface-radius");
  if (arguments.has("surface-samples")) options.samples = static_cast<int>(arguments.integer("surface-samples"));
  for (const std::string& word : arguments.list("surface-depths")) {
    options.depths.push_back(read_number(word, "surface-depths"));
  }
  if (arguments.has("mask")) options.mask = arguments.path("mask");
  options.fwhm_mm = arguments.number("fwhm");
  options.configuration = arguments.effective_toml();
  return options;
}

int run_to_surface(const CommandArguments& arguments) {
  bool failed = false;
  fmt::print("{:<32}  {:>8}  {:>8}  {:>13}\n", "run", "volumes", "vertices", "without value");
  for (const SampledRun& run : sample_dataset(read_to_surface(arguments))) {
    failed = failed || !run.error.empty();
    if (!run.error.empty()) {
      fmt::print("{:<32}  failed\n", run.id);
      continue;
    }
    fmt::print("{:<32}  {:>8}  {:>8}  {:>13}\n", run.id, run.volumes, run.vertices, run.empty);
  }
  return failed ? 1 : 0;
}

Interpolation read_interpolation(const std::string& word) {
  if (word == "nearest") return Interpolation::nearest;
  return word == "linear" ? Interpolation::linear : Interpolation::cubic;
}

ResampleRunsOptions read_resampling(const CommandArguments& arguments) {
  ResampleRunsOptions options;
  options.root = arguments.path("bids_dir");
  options.output = arguments.path("out_dir");
  options.query = read_query(arguments);
  const std::string target = arguments.text("resample");
  if (std::filesystem::exists(target)) {
    options.grid_of = target;
  } else {
    options.voxel_mm = with_context("no image is called so", [&] { return read_number(target, "resample"); });
  }
  options.interpolation = read_interpolation(arguments.text("interpolation"));
  options.clip = arguments.flag("clip");
  options.configuration = arguments.effective_toml();
  return options;
}

int run_resample(const CommandArguments& arguments) {
  bool failed = false;
  fmt::print("{:<32}  {:>8}  {}\n", "run", "volumes", "grid");
  for (const ResampledRun& run : resample_dataset(read_resampling(arguments))) {
    failed = failed || !run.error.empty();
    if (!run.error.empty()) {
      fmt::print("{:<32}  failed\n", run.id);
      continue;
    }
    fmt::print("{:<32}  {:>8}  {}\n", run.id, run.volumes, describe(run.grid));
  }
  return failed ? 1 : 0;
}

/// Options of a part of the command that is not asked for.
void refuse_lonely_options(const CommandArguments& arguments) {
  if (arguments.flag("realign") + arguments.flag("to-surface") + arguments.has("resample") > 1) {
    throw UsageError(
        "--realign, --resample and --to-surface are steps of their own; do the one, then the other with --derivatives");
  }
  for (const char* name : {"interpolation", "clip"}) {
    if (arguments.given(name) && !arguments.has("resample")) {
      throw UsageError(fmt::format("--{} goes with --resample", name));
    }
  }
  if (arguments.has("template") && !arguments.flag("realign")) throw UsageError("--template goes with --realign");
  for (const char* name :
       {"inner-surface", "surface-sampling", "surface-radius", "surface-samples", "surface-depths"}) {
    if (arguments.given(name) && !arguments.flag("to-surface")) {
      throw UsageError(fmt::format("--{} goes with --to-surface", name));
    }
  }
}

int run_preprocess(const CommandArguments& arguments) {
  refuse_lonely_options(arguments);
  if (arguments.flag("realign")) return run_realign(arguments);
  if (arguments.has("resample")) return run_resample(arguments);
  if (arguments.flag("to-surface")) return run_to_surface(arguments);
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

OptionGroup surface_group() {
  return {"Surface",
          {flag("to-surface", "Take the values of volumes at the vertices of --surface, and do nothing else"),
           input_path("inner-surface", "FILE",
                      "With --to-surface: the inner meshes (white matter), where those of --surface are the outer ones")
               .many(),
           choice("surface-sampling", {"auto", "line", "ball", "depth"},
                  "Where samples lie: on the normal, in a ball, or between outer and inner surface. auto: depth with "
                  "--inner-surface, else line")
               .by_default("auto"),
           number("surface-radius", "MM", "line and ball: how far samples reach").by_default("3").range(0, 100),
           integer("surface-samples", "N", "Samples of a vertex; without it 10, in a ball 20").range(1, 1000),
           text("surface-depths", "FRACTION",
                "line and depth: places instead of even ones, as parts of the way inwards (of the radius, or from the "
                "outer to the inner surface)")
               .many()}};
}

OptionGroup own_preprocess_options() {
  OptionGroup group = preprocess_options();
  for (OptionSpec& option : group.options) {
    if (option.name != "surface") continue;
    option.help =
        "Meshes of the left and the right cortex (L.surf.gii R.surf.gii). With --to-surface: what volumes are sampled "
        "at, in the space of the runs; else runs of grayordinates (CIFTI) are smoothed along them";
  }
  return group;
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
      "and the transforms as text. The cleaning options do not matter then.",
      "With --resample it takes the runs to another grid, in one interpolation, and writes them with their means, "
      "brain "
      "masks and confounds as a derivative dataset that other commands take with --derivatives. Nothing is registered: "
      "an image must be in the space of the runs. The cleaning options do not matter then.",
      "With --to-surface it takes the values of volumes at the vertices of cortex meshes (--surface, in the space of "
      "the runs): the mean of samples along the normal, in a ball, or from the outer surface to the inner one "
      "(--inner-surface), smoothed along the surface by --fwhm. It writes a .func.gii for each hemisphere, and both as "
      "a .dtseries.nii that other commands take with --derivatives; it lists the vertices that have a value in some of "
      "the runs, so sample them all at once. Samples outside of --mask are left out. The other cleaning options do not "
      "matter then."};
  spec.arguments = bids_app_arguments();
  spec.groups = {
      dataset_options(),
      {"Motion",
       {flag("realign", "Correct the motion of the recorded runs, and do nothing else"),
        input_path("template", "FILE", "With --realign: the image that the runs are laid over")}},
      {"Grid",
       {text("resample", "MM|FILE",
             "Take the runs to voxels of this edge (mm, on the axes of each run), or to the grid of this image, and do "
             "nothing else"),
        choice("interpolation", {"cubic", "linear", "nearest"},
               "With --resample: cubic B-splines, linear, or the "
               "nearest voxel's value")
            .by_default("cubic"),
        flag("clip",
             "With --resample: keep values between the least and the largest of the run (and 0), beyond which "
             "splines go at edges")}},
      surface_group(),
      own_preprocess_options(),
      {"Labels that are kept",
       {text("label-column", "NAME", "The column of the events files that holds the label").by_default("trial_type"),
        text("run-label", "NAME", "One label a run: an entity of its file name or a column of participants.tsv")}}};
  spec.examples = {{"noema preprocess bids results --fwhm 6", "All subjects, smoothed."},
                   {"noema preprocess bids results participant --participant-label 01 --confounds simple",
                    "One subject, for instance as one job of a cluster."},
                   {"noema preprocess bids realigned --realign --template tpl-MNI152NLin2009cAsym_res-02_T1w.nii.gz",
                    "Motion correction, in the space of a template."},
                   {"noema preprocess bids finer --resample 2 --clip", "Runs in voxels of 2 mm."},
                   {"noema preprocess bids surface --to-surface --surface L_pial.surf.gii R_pial.surf.gii "
                    "--inner-surface L_white.surf.gii R_white.surf.gii --fwhm 4",
                    "From volumes to the cortex, then smoothed along it."}};
  spec.run = run_preprocess;
  return spec;
}

}  // namespace noema
