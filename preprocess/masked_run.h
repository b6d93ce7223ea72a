// preprocess/masked_run: the file of a run, read through a mask: smoothed, resampled, and made into features.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "noema/io/dataset.h"
#include "noema/io/image_reader.h"
#include "noema/io/series.h"
#include "noema/preprocess/extract.h"
#include "noema/preprocess/regions.h"
#include "noema/preprocess/resample.h"
#include "noema/preprocess/run.h"

namespace noema {

/// What is seen of the mask's voxels while the file passes.
class VoxelRecord {
 public:
  explicit VoxelRecord(std::int64_t voxels);

  void see(std::span<const float> values);
  /// After the last volume: which voxels vary and are finite throughout.
  std::vector<std::uint8_t> usable() const;
  /// Mean over time; 0 for voxels that are not finite throughout.
  std::vector<float> mean() const;
  /// The mean over finite voxels of each volume.
  const std::vector<double>& global_signal() const { return global_signal_; }

 private:
  std::vector<std::uint8_t> varies_, finite_;
  std::vector<float> first_;
  std::vector<double> sum_, global_signal_;
};

/// From the values of the mask's voxels to those of the features. Safe to use from several threads.
class Extractor {
 public:
  /// Voxels with `usable` = 0 are left out of parcels and maps; empty: none are.
  Extractor(const FeatureSpace& features, std::vector<std::uint8_t> usable,
            RegionStatistic statistic = RegionStatistic::mean);

  void take(std::span<const float> voxels, std::span<float> values) const;

 private:
  const FeatureSpace& features_;
  std::vector<std::uint8_t> usable_;
  RegionStatistic statistic_;
  std::optional<Regions> regions_;
  std::optional<MapProjection> projection_;
};

/// The file of a run, read through the mask. Some volumes are read ahead while others are smoothed.
class MaskedRun {
 public:
  /// @throws ShapeError for a mask of another grid, unless the run may be resampled; DataError for a mask without
  /// voxels or a run that is dropped whole
  MaskedRun(const Run& run, const FeatureSpace& features, const PreprocessOptions& options);

  const ImageHeader& header() const { return reader_.header(); }
  std::int64_t volumes() const { return header().volumes - drop_; }
  /// A sentence, where the run is resampled.
  std::optional<std::string> resampling() const;

  /// (T, V): the voxels of the mask before smoothing.
  MatrixF read_voxels();
  /// Fills (T, F). `record` may be null.
  void read(const Extractor& extractor, MatrixF& values, VoxelRecord* record);

 private:
  /// One volume on its way. Its tools have memory of their own.
  struct Slot {
    std::vector<float> recorded, resampled, voxels, smoothed;
    std::optional<Resampler> resampler;
    std::function<void(std::span<float>)> smooth;
  };
  using Slots = std::vector<Slot>;

  /// @param smoothed  whether the volumes are smoothed, where that is asked for
  Slots make_slots(bool smoothed) const;
  /// From the recorded volume to the voxels before (`voxels`) and after smoothing (`smoothed`, where there is any).
  void process(Slot& slot) const;
  /// Calls `use(t, slot)` for each volume in turn, and `work(t, slot)` before that from any thread.
  template <class Work, class Use>
  void for_each_volume(const std::string& what, Slots slots, const Work& work, const Use& use);

  const Run& run_;
  const FeatureSpace& features_;
  ImageReader reader_;
  std::int64_t drop_;
  std::optional<Resampler> resampler_;
  /// Null where nothing is smoothed. A copy has memory of its own.
  std::function<void(std::span<float>)> smooth_;
};

}  // namespace noema
