#include "noema/pipelines/feature_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/core/progress.h"
#include "noema/io/atlas.h"
#include "noema/io/nifti.h"
#include "noema/preprocess/mask.h"
#include "noema/preprocess/mean_image.h"

namespace noema {
namespace {

void check_grids(const std::vector<Run>& runs) {
  const ImageHeader first = read_header(runs.front().bold);
  for (const Run& run : runs) {
    const ImageHeader header = read_header(run.bold);
    if (same_grid(first.grid, header.grid)) continue;
    throw ShapeError(
        fmt::format("the runs lie on different grids: '{}' has {}, '{}' has {}. Decode runs that were resampled to one "
                    "template space "
                    "(--space, --derivatives), or one subject at a time (--participant-label)",
                    runs.front().bold.string(), describe(first.grid), run.bold.string(), describe(header.grid)));
  }
}

Mask mask_of_run(const Run& run) {
  return with_context(fmt::format("finding the brain of '{}'", run.bold.string()), [&] {
    return run.mask.empty() ? compute_epi_mask(mean_image(run.bold)) : mask_from_image(read_image(run.mask));
  });
}

Mask given_mask(const std::filesystem::path& path, const Run& run) {
  Mask mask = mask_from_image(read_image(path));
  const ImageHeader header = read_header(run.bold);
  if (!same_grid(mask.grid, header.grid)) {
    throw ShapeError(fmt::format("the mask '{}' has {}, the run '{}' has {}; resample the mask to the run's grid",
                                 path.string(), describe(mask.grid), run.bold.string(), describe(header.grid)));
  }
  return mask;
}

Mask common_mask(const std::vector<Run>& runs, std::vector<std::string>& notes) {
  std::vector<Mask> masks(runs.size());
  Progress progress("finding the brain", static_cast<std::int64_t>(runs.size()));
  parallel_tasks(static_cast<std::int64_t>(runs.size()), [&](std::int64_t i) {
    check_cancelled();
    masks[static_cast<std::size_t>(i)] = mask_of_run(runs[static_cast<std::size_t>(i)]);
    progress.advance();
  });
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

FeatureSpace make_features(Mask mask, const Run& run, const PrepareOptions& options, std::vector<std::string>& notes) {
  if (!options.atlas.empty()) {
    FeatureSpace features = make_feature_space(read_atlas(options.atlas, options.atlas_names), mask);
    notes.push_back(fmt::format("{} regions of the atlas '{}'.", features.count(), options.atlas.filename().string()));
    return features;
  }
  const bool parcels =
      options.features == "parcels" || (options.features == "auto" && mask.size() > kMostVoxelFeatures);
  if (!parcels) {
    notes.push_back(fmt::format("{} voxels as features.", mask.size()));
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

}  // namespace

FeatureChoice choose_features(const std::vector<Run>& runs, const PrepareOptions& options) {
  check_grids(runs);
  FeatureChoice choice;
  Mask mask;
  if (options.mask.empty()) {
    mask = common_mask(runs, choice.notes);
  } else {
    mask = given_mask(options.mask, runs.front());
    choice.notes.push_back(fmt::format("Mask of {} voxels from '{}'.", mask.size(), options.mask.filename().string()));
  }
  choice.features =
      std::make_shared<const FeatureSpace>(make_features(std::move(mask), runs.front(), options, choice.notes));
  return choice;
}

}  // namespace noema
