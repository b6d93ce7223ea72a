#include "noema/preprocess/masked_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/core/progress.h"
#include "noema/core/settings.h"
#include "noema/io/cifti_parcels.h"
#include "noema/preprocess/smooth.h"
#include "noema/preprocess/smooth_grayordinates.h"

namespace noema {
namespace {

/// Volumes that are worked on at once are at most so many, by a thread each, while one more reads: each takes the
/// memory of several volumes.
constexpr int kMostAtOnce = 8;

double mean_of_finite(std::span<const float> values) {
  double sum = 0, count = 0;
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    sum += static_cast<double>(value);
    count += 1;
  }
  return count > 0 ? sum / count : 0;
}

std::function<void(std::span<float>)> make_smoother(const Grid& grid, const PreprocessOptions& options) {
  if (grid.grayordinates == nullptr) {
    return [smoother = Smoother(grid, options.fwhm_mm)](std::span<float> volume) mutable { smoother.apply(volume); };
  }
  const std::vector<SurfaceMesh> meshes = options.surfaces ? *options.surfaces : std::vector<SurfaceMesh>{};
  GrayordinateSmoother smoother(*grid.grayordinates, options.fwhm_mm, meshes);
  if (!options.surfaces_hash.empty() && surfaces_fingerprint(meshes) != options.surfaces_hash) {
    throw DataError(
        "the meshes given with --surface are not those that the model was trained with: its grayordinates were "
        "smoothed along others; give the same files");
  }
  return [smoother](std::span<float> values) mutable { smoother.apply(values); };
}

/// A run of parcels can give those alone, whose values are means already.
void check_parcels(const Run& run, const FeatureSpace& features, const PreprocessOptions& options) {
  const CiftiHeader header = read_cifti_header(run.bold);
  if (!header.has_parcels()) return;
  if (parcel_features(header).parcel_of_voxel != features.parcel_of_voxel) {
    throw ShapeError(
        fmt::format("'{}' has {} parcels that are not the {} in use; take files of one parcellation for all runs",
                    run.bold.string(), header.parcels.size(), features.count()));
  }
  if (options.region_statistic != RegionStatistic::mean) {
    throw UsageError(fmt::format(
        "'{}' holds means of parcels, and their {} is asked for; give runs of grayordinates (.dtseries.nii), or leave "
        "the statistic out",
        run.bold.string(), region_statistic_name(options.region_statistic)));
  }
}

}  // namespace

VoxelRecord::VoxelRecord(std::int64_t voxels)
    : varies_(static_cast<std::size_t>(voxels), 0),
      finite_(varies_.size(), 1),
      first_(varies_.size()),
      sum_(varies_.size()) {}

void VoxelRecord::see(std::span<const float> values) {
  if (global_signal_.empty()) std::copy(values.begin(), values.end(), first_.begin());
  for (std::size_t v = 0; v < values.size(); ++v) {
    finite_[v] &= static_cast<std::uint8_t>(std::isfinite(values[v]));
    varies_[v] |= static_cast<std::uint8_t>(values[v] != first_[v]);
    sum_[v] += static_cast<double>(values[v]);
  }
  global_signal_.push_back(mean_of_finite(values));
}

std::vector<std::uint8_t> VoxelRecord::usable() const {
  std::vector<std::uint8_t> result(varies_.size());
  for (std::size_t v = 0; v < result.size(); ++v) result[v] = varies_[v] & finite_[v];
  return result;
}

std::vector<float> VoxelRecord::mean() const {
  std::vector<float> result(sum_.size());
  for (std::size_t v = 0; v < sum_.size(); ++v) {
    result[v] = finite_[v] ? static_cast<float>(sum_[v] / static_cast<double>(global_signal_.size())) : 0.0F;
  }
  return result;
}

Extractor::Extractor(const FeatureSpace& features, std::vector<std::uint8_t> usable, RegionStatistic statistic)
    : features_(features), usable_(std::move(usable)), statistic_(statistic) {
  if (features.kind == FeatureKind::parcels) regions_.emplace(features.parcel_of_voxel, features.count(), usable_);
  if (features.kind != FeatureKind::maps) return;
  MatrixD maps = features.map_weights.cast<double>();
  for (std::size_t v = 0; v < usable_.size(); ++v) {
    if (!usable_[v]) maps.row(static_cast<Eigen::Index>(v)).setZero();
  }
  projection_.emplace(maps);
}

void Extractor::take(std::span<const float> voxels, std::span<float> values) const {
  switch (features_.kind) {
    case FeatureKind::voxels:
      std::copy(voxels.begin(), voxels.end(), values.begin());
      break;
    case FeatureKind::parcels: {
      std::vector<double> of_regions(values.size());
      regions_->apply(voxels, statistic_, of_regions);
      std::copy(of_regions.begin(), of_regions.end(), values.begin());
      break;
    }
    case FeatureKind::maps:
      std::vector<double> used(voxels.begin(), voxels.end());
      for (std::size_t v = 0; v < usable_.size(); ++v) {
        if (!usable_[v]) used[v] = 0;
      }
      const Eigen::VectorXd weights = projection_->apply(used);
      std::copy(weights.begin(), weights.end(), values.begin());
      break;
  }
}

MaskedRun::MaskedRun(const Run& run, const FeatureSpace& features, const PreprocessOptions& options)
    : run_(run), features_(features), reader_(run.bold), drop_(options.drop_first) {
  const ImageHeader& header = reader_.header();
  const Grid& grid = features.mask.grid;
  const bool can_resample = options.resample && header.grid.grayordinates == nullptr && grid.grayordinates == nullptr;
  const bool same = same_grid(header.grid, grid);
  if (!same && can_resample) resampler_.emplace(header.grid, grid);
  if (!same && !can_resample) {
    throw ShapeError(fmt::format(
        "'{}' and the mask {} are of different grids: {} and {}; give a mask (or atlas) on the grid of the run",
        run.bold.string(), run.mask.empty() ? "in use" : fmt::format("'{}'", run.mask.string()), describe(header.grid),
        describe(features.mask.grid)));
  }
  if (features.kind == FeatureKind::parcels && grid.grayordinates != nullptr) check_parcels(run, features, options);
  if (features.mask.voxels.empty()) {
    throw DataError(fmt::format("'{}': the mask keeps no voxel, so there is nothing to read", run.bold.string()));
  }
  if (header.volumes <= drop_) {
    throw DataError(fmt::format("'{}': {} volumes, of which the first {} were to be dropped", run.bold.string(),
                                header.volumes, drop_));
  }
  if (options.fwhm_mm > 0) smooth_ = make_smoother(features.mask.grid, options);
}

std::optional<std::string> MaskedRun::resampling() const {
  if (!resampler_) return {};
  return fmt::format("Resampled by cubic B-splines from {} to {}.", describe(header().grid),
                     describe(features_.mask.grid));
}

MaskedRun::Slots MaskedRun::make_slots(bool smoothed) const {
  Slots slots(static_cast<std::size_t>(std::min(thread_count(), kMostAtOnce)));
  for (Slot& slot : slots) {
    slot.recorded.resize(static_cast<std::size_t>(header().grid.voxel_count()));
    slot.voxels.resize(features_.mask.voxels.size());
    slot.resampler = resampler_;
    if (smoothed) slot.smooth = smooth_;
  }
  return slots;
}

void MaskedRun::process(Slot& slot) const {
  if (slot.resampler) {
    slot.resampled.resize(static_cast<std::size_t>(features_.mask.grid.voxel_count()));
    slot.resampler->apply(slot.recorded, std::span(slot.resampled));
  }
  std::vector<float>& volume = slot.resampler ? slot.resampled : slot.recorded;
  extract_voxels(volume, features_.mask, slot.voxels);
  if (!slot.smooth) return;
  slot.smoothed.resize(slot.voxels.size());
  slot.smooth(std::span(volume));
  extract_voxels(volume, features_.mask, slot.smoothed);
}

template <class Work, class Use>
void MaskedRun::for_each_volume(const std::string& what, Slots slots, const Work& work, const Use& use) {
  Progress progress(what, volumes());
  const auto batch = static_cast<std::int64_t>(slots.size());
  std::vector<std::vector<float>> ahead(slots.size(), std::vector<float>(slots.front().recorded.size()));
  const auto read_ahead = [&](std::int64_t first) {
    const std::int64_t count = std::clamp<std::int64_t>(volumes() - first, 0, batch);
    for (std::int64_t i = 0; i < count; ++i) reader_.read_volume(std::span(ahead[static_cast<std::size_t>(i)]));
  };
  reader_.seek(drop_);
  read_ahead(0);
  for (std::int64_t t = 0; t < volumes(); t += batch) {
    check_cancelled();
    const std::int64_t count = std::min(batch, volumes() - t);
    for (std::size_t i = 0; i < slots.size(); ++i) std::swap(slots[i].recorded, ahead[i]);
    parallel_tasks(count + 1, [&](std::int64_t i) {
      if (i == 0) read_ahead(t + batch);
      if (i > 0) work(t + i - 1, slots[static_cast<std::size_t>(i - 1)]);
    });
    for (std::int64_t i = 0; i < count; ++i) use(t + i, slots[static_cast<std::size_t>(i)]);
    progress.advance(count);
  }
}

MatrixF MaskedRun::read_voxels() {
  MatrixF values(volumes(), features_.mask.size());
  for_each_volume(
      "reading " + run_.id() + " for DVARS", make_slots(false),
      [&](std::int64_t t, Slot& slot) {
        process(slot);
        std::copy(slot.voxels.begin(), slot.voxels.end(), values.row(t).data());
      },
      [](std::int64_t, const Slot&) {});
  return values;
}

void MaskedRun::read(const Extractor& extractor, MatrixF& values, VoxelRecord* record) {
  for_each_volume(
      "reading " + run_.id(), make_slots(true),
      [&](std::int64_t t, Slot& slot) {
        process(slot);
        extractor.take(slot.smooth ? slot.smoothed : slot.voxels,
                       {values.row(t).data(), static_cast<std::size_t>(values.cols())});
      },
      [&](std::int64_t, const Slot& slot) {
        if (record != nullptr) record->see(slot.voxels);
      });
}

}  // namespace noema
