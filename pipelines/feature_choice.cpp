#include "noema/pipelines/feature_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/memory.h"
#include "noema/core/parallel.h"
#include "noema/core/progress.h"
#include "noema/io/atlas.h"
#include "noema/io/cifti_parcels.h"
#include "noema/io/nifti.h"
#include "noema/pipelines/surfaces.h"
#include "noema/pipelines/to_grid.h"
#include "noema/preprocess/mask.h"
#include "noema/preprocess/mean_image.h"
#include "noema/preprocess/spheres.h"

namespace noema {
namespace {

/// Sidecars and headers round the TR to milliseconds.
constexpr double kSameTr_s = 1e-3;

using Failures = std::map<std::string, Error>;

/// Runs whose files could be read so far, and their headers.
struct ReadableRuns {
  std::vector<Run> runs;
  std::vector<ImageHeader> headers;
};

void require_any(const std::vector<Run>& readable, const Failures& failures) {
  if (!readable.empty()) return;
  throw DataError(fmt::format("the files of all {} subjects cannot be read; the first: {}", failures.size(),
                              failures.begin()->second.what()));
}

ReadableRuns read_headers(const std::vector<Run>& runs, Failures& failures) {
  ReadableRuns readable;
  for (const Run& run : runs) {
    try {
      readable.headers.push_back(read_header(run.bold));
      readable.runs.push_back(run);
    } catch (const Error& error) {
      failures.emplace(run.subject(), error);
    }
  }
  require_any(readable.runs, failures);
  return readable;
}

void check_grids(const ReadableRuns& readable) {
  const Run& first = readable.runs.front();
  const Grid& grid = readable.headers.front().grid;
  for (std::size_t i = 1; i < readable.runs.size(); ++i) {
    if (same_grid(grid, readable.headers[i].grid)) continue;
    throw ShapeError(fmt::format(
        "the runs lie on different grids: '{}' has {}, '{}' has {}. Decode runs that were resampled to one "
        "template space "
        "(--space, --derivatives), or one subject at a time (--participant-label)",
        first.bold.string(), describe(grid), readable.runs[i].bold.string(), describe(readable.headers[i].grid)));
  }
}

/// A run without any TR is left to `agreed_tr`.
void check_tr(const ReadableRuns& readable) {
  const Run* first = nullptr;
  double tr_s = 0;
  for (std::size_t i = 0; i < readable.runs.size(); ++i) {
    const Run& run = readable.runs[i];
    const double own_s = run.tr_s > 0 ? run.tr_s : readable.headers[i].tr_s;
    if (own_s <= 0) continue;
    if (first == nullptr) {
      first = &run;
      tr_s = own_s;
    }
    if (std::abs(own_s - tr_s) <= kSameTr_s) continue;
    throw DataError(
        fmt::format("the runs have different repetition times: '{}' has {:g} s, '{}' has {:g} s. Correct the sidecar "
                    "that is wrong, or decode runs of one repetition time (--task, --session, --run, "
                    "--participant-label)",
                    first->bold.string(), tr_s, run.bold.string(), own_s));
  }
}

Mask all_of(const Grid& grid) {
  Mask mask{grid, {}};
  for (std::int64_t v = 0; v < grid.voxel_count(); ++v) mask.voxels.push_back(v);
  return mask;
}

Mask mask_of_run(const Run& run) {
  return with_context(fmt::format("finding the brain of '{}'", run.bold.string()), [&] {
    return run.mask.empty() ? compute_epi_mask(mean_image(run.bold)) : mask_from_image(read_image(run.mask));
  });
}

/// A subject of which one run cannot be read has no say by its others either.
void keep_masks_of_whole_subjects(std::vector<Run>& runs, std::vector<Mask>& masks, const Failures& failures) {
  std::vector<Run> kept_runs;
  std::vector<Mask> kept_masks;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (failures.contains(runs[i].subject())) continue;
    kept_runs.push_back(runs[i]);
    kept_masks.push_back(std::move(masks[i]));
  }
  runs = std::move(kept_runs);
  masks = std::move(kept_masks);
}

Mask common_mask(const std::vector<Run>& readable, std::vector<std::string>& notes, Failures& failures) {
  std::vector<Run> runs = readable;
  std::erase_if(runs, [&](const Run& run) { return failures.contains(run.subject()); });
  require_any(runs, failures);
  std::vector<Mask> masks(runs.size());
  std::vector<std::optional<Error>> errors(runs.size());
  Progress progress("finding the brain", static_cast<std::int64_t>(runs.size()));
  parallel_tasks(static_cast<std::int64_t>(runs.size()), [&](std::int64_t i) {
    check_cancelled();
    const auto at = static_cast<std::size_t>(i);
    try {
      masks[at] = mask_of_run(runs[at]);
    } catch (const Cancelled&) {
      throw;
    } catch (const Error& error) {
      errors[at] = error;
    }
    progress.advance();
  });
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (errors[i]) failures.emplace(runs[i].subject(), *errors[i]);
  }
  keep_masks_of_whole_subjects(runs, masks, failures);
  require_any(runs, failures);
  const auto own = std::count_if(runs.begin(), runs.end(), [](const Run& run) { return !run.mask.empty(); });
  Mask mask = intersect_masks(masks, 0.5, true);
  notes.push_back(fmt::format(
      "Mask of {} voxels: those in more than half of the masks of {} runs ({} brain masks of the derivatives, "
      "{} made from the mean image).",
      mask.size(), runs.size(), own, static_cast<std::int64_t>(runs.size()) - own));
  return mask;
}

FeatureSpace voxel_features(Mask mask, std::string space) {
  FeatureSpace features;
  features.space = std::move(space);
  features.mask = std::move(mask);
  return features;
}

FeatureSpace make_spheres(const Mask& mask, const Run& run, const PrepareOptions& options,
                          std::vector<std::string>& notes) {
  if (!options.atlas.empty()) throw UsageError("--spheres and --atlas are both features; give one of them");
  if (mask.grid.grayordinates != nullptr) {
    throw UsageError("--spheres are of voxels, and these runs are grayordinates; give a dlabel file with --atlas");
  }
  FeatureSpace features = sphere_features(read_seeds(options.spheres), mask, options.sphere_radius_mm);
  features.space = run.entity("space");
  notes.push_back(fmt::format(
      "{} {} of '{}'.", features.count(),
      options.sphere_radius_mm ? fmt::format("spheres of {:g} mm radius", *options.sphere_radius_mm) : "single voxels",
      options.spheres.filename().string()));
  return features;
}

/// The parcels of runs of parcels; nothing for others. @throws UsageError for what these leave no choice of
std::optional<FeatureSpace> own_parcels(const Run& run, const Grid& grid, const PrepareOptions& options,
                                        std::vector<std::string>& notes) {
  if (grid.grayordinates == nullptr) return {};
  const CiftiHeader header = read_cifti_header(run.bold);
  if (!header.has_parcels()) return {};
  const std::string found = fmt::format("'{}' holds parcels", run.bold.string());
  if (options.features == "voxels") {
    throw UsageError(found +
                     ", and a value at each voxel or grayordinate is asked for; give runs of volumes or "
                     "grayordinates (.dtseries.nii)");
  }
  const char* option = !options.atlas.empty()           ? "--atlas"
                       : !options.spheres.empty()       ? "--spheres"
                       : !options.mask.empty()          ? "--mask"
                       : options.preprocess.fwhm_mm > 0 ? "--fwhm"
                                                        : nullptr;
  if (option != nullptr) {
    throw UsageError(
        fmt::format("{}, whose means are made already: leave {} out, or give runs of grayordinates "
                    "(.dtseries.nii)",
                    found, option));
  }
  FeatureSpace features = parcel_features(header);
  features.space = run.entity("space");
  notes.push_back(fmt::format("{} parcels of the runs.", features.count()));
  return features;
}

/// What lies in a region of the atlas and in the mask. Regions without a voxel there are warned of.
FeatureSpace labelled_voxels(const FeatureSpace& parcels, const std::string& space) {
  if (parcels.kind != FeatureKind::parcels) throw UsageError("--atlas: found maps, expected an image of labels");
  Mask labelled{parcels.mask.grid, {}};
  for (std::size_t v = 0; v < parcels.parcel_of_voxel.size(); ++v) {
    if (parcels.parcel_of_voxel[v] >= 0) labelled.voxels.push_back(parcels.mask.voxels[v]);
  }
  FeatureSpace features = voxel_features(std::move(labelled), space);
  features.atlas_hash = parcels.atlas_hash;
  return features;
}

FeatureSpace make_features(Mask mask, const TargetGrid& target, const Run& run, const PrepareOptions& options,
                           std::vector<std::string>& notes) {
  if (!options.spheres.empty()) return make_spheres(mask, run, options, notes);
  if (!options.atlas.empty()) {
    FeatureSpace features = make_feature_space(atlas_on_grid(options.atlas, options.atlas_names, target, notes), mask);
    if (options.features == "atlas-voxels") {
      notes.push_back(
          fmt::format("{} regions of the atlas '{}'.", features.count(), options.atlas.filename().string()));
      features = labelled_voxels(features, run.entity("space"));
      notes.push_back(fmt::format("{} of the mask's {} voxels lie in one of them.", features.count(), mask.size()));
      return features;
    }
    notes.push_back(fmt::format("{} regions of the atlas '{}'.", features.count(), options.atlas.filename().string()));
    return features;
  }
  const bool grayordinates = mask.grid.grayordinates != nullptr;
  const bool parcels = options.features == "parcels" ||
                       (options.features == "auto" && !grayordinates && mask.size() > kMostVoxelFeatures);
  if (parcels && grayordinates) {
    throw UsageError("--features parcels: grayordinates have no parcels of their own; give a dlabel file with --atlas");
  }
  if (!parcels) {
    notes.push_back(fmt::format("{} {} as features.", mask.size(), grayordinates ? "grayordinates" : "voxels"));
    return voxel_features(std::move(mask), run.entity("space"));
  }
  const int count = static_cast<int>(std::min<std::int64_t>(options.parcels, mask.size()));
  FeatureSpace features = make_feature_space(geometric_parcels(mask, count, options.seed), mask);
  features.space = run.entity("space");
  notes.push_back(
      fmt::format("{} geometric parcels of the mask{}.", features.count(),
                  options.features == "auto" ? fmt::format(" (it has more than {} voxels)", kMostVoxelFeatures) : ""));
  return features;
}

/// Of runs that have a value at each voxel or grayordinate.
FeatureSpace chosen_features(const ReadableRuns& readable, const PrepareOptions& options, FeatureChoice& choice) {
  const TargetGrid target{readable.headers.front().grid, readable.runs.front().bold, options.allow_resample};
  Mask mask;
  if (options.mask.empty() && target.grid.grayordinates != nullptr) {
    mask = all_of(target.grid);
    choice.notes.push_back(fmt::format("All grayordinates of the runs: {}.", describe(target.grid)));
  } else if (options.mask.empty()) {
    mask = common_mask(readable.runs, choice.notes, choice.unreadable);
  } else {
    mask = mask_on_grid(options.mask, target, choice.notes);
    choice.notes.push_back(fmt::format("Mask of {} voxels from '{}'.", mask.size(), options.mask.filename().string()));
  }
  return make_features(std::move(mask), target, readable.runs.front(), options, choice.notes);
}

}  // namespace

void check_memory(std::int64_t volumes, std::int64_t features, std::int64_t memory_bytes) {
  const double needed = static_cast<double>(volumes) * static_cast<double>(features) * sizeof(float);
  const auto memory = static_cast<double>(memory_bytes);
  constexpr double kCopies = 3;  // the series, the training samples of a fold, and what is fitted on them
  if (kCopies * needed <= memory) return;
  const std::string found = fmt::format(
      "{} volumes of {} features take {:.1f} GB, several times over while models are "
      "fitted; this machine has {:.1f} GB",
      volumes, features, needed / 1e9, memory / 1e9);
  constexpr const char* remedy = "take fewer features: --features parcels, --atlas, or a smaller --mask";
  if (needed > memory) throw UsageError(fmt::format("{}; {}", found, remedy));
  log_warning(fmt::format("{}; if it runs out, {}", found, remedy));
}

FeatureChoice choose_features(const std::vector<Run>& runs, const PrepareOptions& options) {
  FeatureChoice choice;
  const ReadableRuns readable = read_headers(runs, choice.unreadable);
  check_grids(readable);
  check_tr(readable);
  const Grid& grid = readable.headers.front().grid;
  const auto own = own_parcels(readable.runs.front(), grid, options, choice.notes);
  check_surfaces(options, grid);
  choice.features = std::make_shared<const FeatureSpace>(own ? *own : chosen_features(readable, options, choice));
  if (options.level != AnalysisLevel::participant) {
    std::int64_t volumes = 0;
    for (const ImageHeader& header : readable.headers) volumes += header.volumes;
    check_memory(volumes, choice.features->count(), physical_memory_bytes());
  }
  return choice;
}

}  // namespace noema
