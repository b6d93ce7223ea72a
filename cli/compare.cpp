// noema compare
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "noema/cli/commands.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/pipelines/compare_folders.h"
#include "noema/pipelines/compare_images.h"

namespace noema {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

std::vector<MapPart> read_parts(const std::string& word) {
  if (word == "signed") return {MapPart::signed_values};
  if (word == "absolute") return {MapPart::absolute};
  if (word == "positive") return {MapPart::positive};
  return {MapPart::signed_values, MapPart::absolute, MapPart::positive};
}

VolumeChoice read_volume(const CommandArguments& arguments, const std::string& which) {
  VolumeChoice choice{arguments.path(which), std::nullopt, false};
  if (arguments.has(which + "-volume")) choice.volume = arguments.integer(which + "-volume");
  if (!arguments.has(which + "-contrast")) return choice;
  if (choice.volume) {
    throw UsageError(fmt::format("--{0}-volume and --{0}-contrast exclude one another; give one of them", which));
  }
  choice.volume = arguments.integer(which + "-contrast");
  choice.against_others = true;
  return choice;
}

void print_rows(const std::vector<MapAgreement>& rows) {
  fmt::print("{:<14}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}\n", "part", "pearson", "spearman", "dice 1%", "dice 5%",
             "dice 10%", "voxels");
  for (const MapAgreement& row : rows) {
    fmt::print("{:<14}  {:>8.4f}  {:>8.4f}  {:>8.4f}  {:>8.4f}  {:>8.4f}  {:>8}\n", row.part, row.pearson, row.spearman,
               row.dice.at(0), row.dice.at(1), row.dice.at(2), row.features);
  }
}

void print_json(const std::vector<json>& rows) {
  const json all = rows;
  fmt::print("{}\n", (rows.size() == 1 ? rows[0] : all).dump(1));
}

int compare_two_images(const CommandArguments& arguments) {
  CompareImagesOptions options;
  options.first = read_volume(arguments, "first");
  options.second = read_volume(arguments, "second");
  if (arguments.has("mask")) options.mask = arguments.path("mask");
  if (arguments.has("background")) options.background = arguments.path("background");
  options.fwhm_mm = arguments.number("fwhm");
  for (const std::string& file : arguments.list("surface")) options.surfaces.emplace_back(file);
  options.parts = read_parts(arguments.text("part"));
  const ImageComparison comparison = compare_images(options);
  if (arguments.has("out_dir")) {
    Provenance provenance = make_provenance(0, arguments.effective_toml());
    provenance.inputs = {record_input(options.first.file), record_input(options.second.file)};
    write_image_comparison(arguments.path("out_dir"), options, comparison, provenance);
  }
  if (!arguments.flag("json")) {
    print_rows(comparison.rows);
    return 0;
  }
  std::vector<json> rows;
  for (const MapAgreement& row : comparison.rows) rows.push_back(to_json(row));
  print_json(rows);
  return 0;
}

void print_models(const std::vector<FolderDifference>& models) {
  fmt::print("{:<12}  {:>7}  {:>7}  {:>10}  {:<18}  {}\n", "model", "first", "second", "difference", "95% interval",
             "p");
  for (const FolderDifference& model : models) {
    const ScoreDifference& d = model.difference;
    fmt::print("{:<12}  {:>7.3f}  {:>7.3f}  {:>+10.3f}  {:<18}  {:.3g}\n", model.model, model.first, model.second,
               d.difference, fmt::format("[{:+.3f}, {:+.3f}]", d.interval.low, d.interval.high), d.p);
  }
}

int compare_two_folders(const CommandArguments& arguments) {
  for (const char* option : {"first-volume", "second-volume", "first-contrast", "second-contrast", "mask", "background",
                             "fwhm", "surface", "part"}) {
    if (arguments.given(option))
      throw UsageError(fmt::format("--{} is for images, FIRST and SECOND are folders", option));
  }
  const fs::path first = arguments.path("first"), second = arguments.path("second");
  const FolderComparison comparison = compare_folders(first, second);
  if (arguments.has("out_dir")) {
    Provenance provenance = make_provenance(0, arguments.effective_toml());
    for (const fs::path& folder : {first, second}) {
      for (const char* file : {"results.json", "predictions.tsv"})
        provenance.inputs.push_back(record_input(folder / file));
    }
    write_folder_comparison(arguments.path("out_dir"), comparison, provenance);
  }
  if (!arguments.flag("json")) {
    print_models(comparison.models);
    return 0;
  }
  std::vector<json> rows;
  const auto number = [](double value) { return std::isfinite(value) ? json(value) : json(nullptr); };
  for (const FolderDifference& model : comparison.models) {
    rows.push_back({{"model", model.model},
                    {"first", model.first},
                    {"second", model.second},
                    {"difference", model.difference.difference},
                    {"low", number(model.difference.interval.low)},
                    {"high", number(model.difference.interval.high)},
                    {"p", number(model.difference.p)}});
  }
  print_json(rows);
  return 0;
}

int run_compare(const CommandArguments& arguments) {
  const bool first = fs::is_directory(arguments.path("first")), second = fs::is_directory(arguments.path("second"));
  if (first != second) {
    throw UsageError(fmt::format("'{}' is a folder and '{}' a file; expected two images, or two result folders",
                                 arguments.text(first ? "first" : "second"),
                                 arguments.text(first ? "second" : "first")));
  }
  return first ? compare_two_folders(arguments) : compare_two_images(arguments);
}

}  // namespace

CommandSpec compare_command() {
  CommandSpec spec;
  spec.name = "compare";
  spec.synopsis = "How far two maps, or the models of two result folders, agree";
  spec.description = {
      "Two images of one grid are compared over the voxels where either is not zero (or of a mask): Pearson and "
      "Spearman correlation, and the Dice overlap of the largest 1, 5 and 10% of the voxels. Maps that multiply by the "
      "input follow the square of a signed map, so compare them by the absolute or the positive part. Of maps of "
      "parcels each parcel counts by its grayordinates.",
      "Two output folders of decode, evaluate or finetune that were scored on the same split are compared model by "
      "model on the same samples: first minus second balanced accuracy, with its bootstrap interval and the p of "
      "exchanging the two within groups (subjects, else runs, else blocks).",
      "With OUT_DIR tables, results.json and report.html are written too."};
  spec.arguments = {input_path("first", "FIRST", "An image, or a result folder"),
                    input_path("second", "SECOND", "Another image, or another result folder"),
                    output_path("out_dir", "OUT_DIR", "Where tables, results.json and the report go").may_be_absent()};
  spec.groups = {
      {"Images",
       {choice("part", {"all", "signed", "absolute", "positive"}, "Which part of the maps is compared")
            .by_default("all"),
        number("fwhm", "MM", "Gaussian smoothing of the first image; 0: none").by_default("0").range(0, 100),
        input_path(
            "surface", "FILE",
            "Maps of grayordinates (CIFTI): meshes of the left and the right cortex (L.surf.gii R.surf.gii) that "
            "--fwhm smooths along and the report's maps are drawn on")
            .many(),
        input_path("mask", "FILE", "Which voxels; without it those where either image is not zero"),
        input_path("background", "FILE", "An image of one volume behind the maps of the report"),
        integer("first-volume", "N", "The volume of the first image, from 0, where it has several").range(0, 1e9),
        integer("second-volume", "N", "The volume of the second image").range(0, 1e9),
        integer("first-contrast", "N", "Volume N of the first image minus the mean of its others").range(0, 1e9),
        integer("second-contrast", "N",
                "Volume N of the second image minus the mean of its others: what a contrast of one state against the "
                "others should show of the ground truth that noema simulate writes")
            .range(0, 1e9)}},
      {"Output", {flag("json", "Print JSON, for scripts: an object for one part or model, else an array")}}};
  spec.examples = {
      {"noema compare results/maps/contrast-state1_stat-effect_statmap.nii.gz data/ground-truth/maps.nii.gz "
       "--second-contrast 0 --part signed",
       "A GLM contrast against what was simulated."},
      {"noema compare results-a results-b comparison", "Models of two calls on the same split."}};
  spec.references = {"Dice 1945, Measures of the amount of ecologic association between species, doi:10.2307/1932409"};
  spec.run = run_compare;
  return spec;
}

}  // namespace noema
