#include "noema/pipelines/resample_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "noema/core/error.h"
#include "noema/core/provenance.h"
#include "noema/io/atomic_file.h"
#include "noema/io/nifti.h"
#include "noema/io/text_file.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/run_loop.h"
#include "noema/preprocess/mean_image.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

/// Where all runs go: the grid of an image, or voxels of one size on each run's own axes.
struct Target {
  std::optional<Grid> grid;
  double voxel_mm = 0;
  /// "_res-2", or nothing.
  std::string resolution;
};

Target read_target(const ResampleRunsOptions& options) {
  if (options.grid_of.empty() == !(options.voxel_mm > 0) || !std::isfinite(options.voxel_mm)) {
    throw UsageError("resampling needs the edge of the new voxels in mm, or an image on the new grid");
  }
  Target target;
  if (options.grid_of.empty()) {
    target.voxel_mm = options.voxel_mm;
    target.resolution = fmt::format("_res-{:g}", options.voxel_mm);
    std::replace(target.resolution.begin(), target.resolution.end(), '.', 'p');
    return target;
  }
  target.grid = read_header(options.grid_of).grid;
  if (target.grid->grayordinates != nullptr) {
    throw UsageError(fmt::format("'{}' holds grayordinates, which are no grid of voxels", options.grid_of.string()));
  }
  const Entities entities = parse_bids_name(options.grid_of).entities;
  if (const auto label = entities.find("res"); label != entities.end()) target.resolution = "_res-" + label->second;
  return target;
}

Grid grid_for(const Grid& source, const Target& target) {
  if (target.grid) return *target.grid;
  const Eigen::Matrix3d directions = source.ras_from_voxel.topLeftCorner<3, 3>().colwise().normalized();
  return covering_grid(source, Eigen::Matrix3d(directions * target.voxel_mm));
}

fs::path stem_of(const ResampleRunsOptions& options, const Run& run, const Target& target) {
  fs::path folder = options.output / ("sub-" + run.subject());
  if (!run.entity("ses").empty()) folder /= "ses-" + run.entity("ses");
  make_folder(folder / "func");
  const std::string space = run.entity("space");
  return folder / "func" / (run.id() + (space.empty() ? "" : "_space-" + space) + target.resolution);
}

std::string sidecar(const ResampleRunsOptions& options, const Run& run, double tr_s, const Grid& grid) {
  nlohmann::ordered_json json{{"RepetitionTime", tr_s},  {"Sources", {run.bold.string()}},
                              {"SkullStripped", false},  {"Interpolation", interpolation_name(options.interpolation)},
                              {"Clipped", options.clip}, {"Resolution", describe(grid)}};
  if (run.slice_time_s) json["StartTime"] = *run.slice_time_s;
  json["Provenance"] = make_provenance(0, options.configuration).to_json();
  return json.dump(2) + "\n";
}

/// Nearest neighbour: a mask stays one.
void write_mask(const fs::path& path, const fs::path& mask, const Grid& grid) {
  const Image image = read_image(mask);
  mask_from_image(image);  // refuses an image that is no mask
  ResampleOptions nearest;
  nearest.interpolation = Interpolation::nearest;
  write_image(path, resample_image(image, grid, nearest), {.type = NiftiType::uint8});
}

/// With the file beside it that tells masks of components. Six motion parameters of the HCP are known by the name of
/// their file alone, which would be lost.
void copy_confounds(const fs::path& from, const fs::path& to) {
  if (from.extension() != ".tsv") {
    throw UsageError(
        fmt::format("'{}' is no table with names of columns, which a resampled run needs; give the runs' "
                    "confounds as .tsv files",
                    from.string()));
  }
  write_file(to, read_text_file(from));
  fs::path sidecar = from, copied = to;
  sidecar.replace_extension(".json");
  if (fs::exists(sidecar)) write_file(copied.replace_extension(".json"), read_text_file(sidecar));
}

ResampledRun resample_run(const ResampleRunsOptions& options, const Run& run, const Target& target) {
  const Image recorded = read_image(run.bold);
  if (recorded.header.grid.grayordinates != nullptr) {
    throw UsageError(fmt::format("'{}' holds grayordinates, which are no grid of voxels; choose volumes (--space)",
                                 run.bold.string()));
  }
  const double tr_s = agreed_tr(run, recorded.header);
  const Grid grid = grid_for(recorded.header.grid, target);
  ResampleOptions resampling;
  resampling.interpolation = options.interpolation;
  resampling.clip = options.clip;
  Image image = resample_image(recorded, grid, resampling);
  image.header.tr_s = tr_s;
  const std::string stem = stem_of(options, run, target).string();
  if (!run.confounds.empty()) {
    copy_confounds(run.confounds, fs::path(stem).parent_path() / (run.id() + "_desc-confounds_timeseries.tsv"));
  }
  write_image(stem + "_boldref.nii.gz", mean_image(image));
  if (!run.mask.empty()) write_mask(stem + "_desc-brain_mask.nii.gz", run.mask, grid);
  write_file(stem + "_desc-preproc_bold.json", sidecar(options, run, tr_s, grid));
  write_image(stem + "_desc-preproc_bold.nii.gz", image);  // last: once it is there, the run is finished
  return {run.id(), image.header.volumes, grid, ""};
}

}  // namespace

std::vector<ResampledRun> resample_dataset(const ResampleRunsOptions& options) {
  const Target target = read_target(options);
  DatasetQuery query = options.query;
  query.needs_events = false;
  const Dataset dataset = index_dataset(options.root, query);
  open_output_folder(options.output, "preprocess", options.configuration);
  std::vector<ResampledRun> runs(dataset.runs.size());
  work_on_runs(
      dataset.runs, "resampling runs", [&](std::size_t r) { runs[r] = resample_run(options, dataset.runs[r], target); },
      [&](std::size_t r, const Error& error) {
        runs[r] = {dataset.runs[r].id(), 0, {}, error.what()};
      });
  return runs;
}

}  // namespace noema
