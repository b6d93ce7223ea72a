// noema searchlight
#include "noema/pipelines/searchlight.h"

#include <fmt/format.h>

#include "noema/cli/commands.h"
#include "noema/cli/option_groups.h"

namespace noema {
namespace {

OptionGroup sphere_group() {
  return {"Searchlight",
          {number("radius", "MM", "Voxels up to this far from the middle one belong to a sphere")
               .by_default("6")
               .range(0, 100),
           number("strength", "NUMBER", "C of the support vector machine; small is strong")
               .by_default("1")
               .range(1e-9, 1e9)}};
}

void print_best(const SearchlightResults& found, const std::filesystem::path& folder) {
  const Results& results = found.results;
  fmt::print(
      "best of {} spheres  balanced accuracy {:.3f} around ({:.1f}, {:.1f}, {:.1f}) mm; chance {:.3f}, {} folds, "
      "left out: {}\n",
      found.centres, found.best.score, found.best.ras_mm[0], found.best.ras_mm[1], found.best.ras_mm[2], results.chance,
      results.split.folds, results.split.unit);
  fmt::print("report  {}\n", (folder / "report.html").string());
}

int run_command(const CommandArguments& arguments) {
  SearchlightCommandOptions options;
  options.prepare = read_prepare_options(arguments);
  read_label_sources(arguments, options.prepare);
  options.evaluation = read_evaluation_options(arguments);
  options.searchlight.radius_mm = arguments.number("radius");
  options.searchlight.strength = arguments.number("strength");
  const SearchlightResults found = run_searchlight(options);
  if (found.centres > 0) print_best(found, options.prepare.output);
  return found.results.failed_subjects.empty() ? 0 : 1;
}

}  // namespace

CommandSpec searchlight_command() {
  CommandSpec spec;
  spec.name = "searchlight";
  spec.synopsis = "How well labels can be told from the voxels around each place";
  spec.description = {
      "Preprocesses the runs of a BIDS dataset, makes labels, samples and folds as decode does (test data that could "
      "be "
      "seen in training is an error), and cross-validates a linear support vector machine on the sphere around every "
      "voxel of the mask. Each voxel is z-scored by the training samples of its fold.",
      "Writes a map of balanced accuracy and one of what is above chance, split.tsv, results.json and report.html. The "
      "best of many spheres is above chance by chance: the map shows where to look, it is no test."};
  spec.arguments = bids_app_arguments();
  spec.groups = {dataset_options(), preprocess_options(), label_options(), evaluation_options(), sphere_group()};
  spec.examples = {
      {"noema searchlight ds000105 where", "Spheres of 6 mm, everything with its defaults."},
      {"noema searchlight ds000105 where --conditions face,house --radius 8", "Two of the labels, larger spheres."}};
  spec.references = {
      "Kriegeskorte, Goebel and Bandettini 2006, Information-based functional brain mapping, "
      "doi:10.1073/pnas.0600244103"};
  spec.run = run_command;
  return spec;
}

}  // namespace noema
