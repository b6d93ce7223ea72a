// A run read through a mask against volumes that are resampled, smoothed and masked one after the other.
#include "noema/preprocess/masked_run.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "noema/core/error.h"
#include "noema/core/settings.h"
#include "noema/io/nifti.h"
#include "noema/preprocess/smooth.h"
#include "noema/tests/io/temporary_folder.h"

namespace noema {
namespace {

/// What is known of a run after it was read.
struct Found {
  MatrixF values, voxels;
  std::vector<std::uint8_t> usable;
  std::vector<float> mean;
  std::vector<double> global_signal;
};

/// Also where values are no numbers.
bool same_bits(const MatrixF& one, const MatrixF& other) {
  return one.rows() == other.rows() && one.cols() == other.cols() &&
         std::memcmp(one.data(), other.data(), sizeof(float) * static_cast<std::size_t>(one.size())) == 0;
}

class MaskedRunTest : public testing::Test {
 protected:
  static constexpr std::int64_t kVoxels = 7 * 6 * 8;

  ~MaskedRunTest() override { set_thread_count(threads_); }

  /// Each value is of its own voxel and volume.
  void write(std::int64_t volumes) {
    image_ = {};
    image_.header.grid.shape = {7, 6, 8};
    image_.header.grid.ras_from_voxel.diagonal() << 2, 2.5, 2, 1;
    image_.header.disk_grid = image_.header.grid;
    image_.header.volumes = volumes;
    image_.header.tr_s = 2;
    for (std::int64_t i = 0; i < kVoxels * volumes; ++i) {
      image_.values.push_back(static_cast<float>(100 + 10 * std::sin(0.37 * static_cast<double>(i)) + i / kVoxels));
    }
    features_.mask.grid = image_.header.grid;
    features_.mask.voxels.clear();
    for (std::int64_t v = 5; v < kVoxels; v += 3) features_.mask.voxels.push_back(v);
    run_.bold = folder_.path() / "sub-01_task-x_bold.nii.gz";
  }

  Found read(const PreprocessOptions& options, int threads) const {
    set_thread_count(threads);
    MaskedRun run(run_, features_, options);
    const Extractor extractor(features_, {});
    VoxelRecord record(features_.mask.size());
    Found found;
    found.values.setConstant(run.volumes(), features_.mask.size(), -1);
    MatrixF again = found.values;
    run.read(extractor, found.values, &record);
    found.voxels = run.read_voxels();
    run.read(extractor, again, nullptr);
    EXPECT_TRUE(same_bits(again, found.values)) << "read once more, without a record";
    found.usable = record.usable();
    found.mean = record.mean();
    found.global_signal = record.global_signal();
    return found;
  }

  /// One volume after the other.
  Found direct(const PreprocessOptions& options) const {
    const std::int64_t volumes = image_.header.volumes - options.drop_first;
    const Grid& grid = features_.mask.grid;
    Smoother smoother(grid, options.fwhm_mm);
    Resampler resampler(image_.header.grid, grid);
    Found found;
    found.values.resize(volumes, features_.mask.size());
    found.voxels = found.values;
    found.usable.assign(features_.mask.voxels.size(), 0);
    std::vector<double> sums(found.usable.size(), 0);
    for (std::int64_t t = 0; t < volumes; ++t) {
      const float* recorded = image_.values.data() + kVoxels * (t + options.drop_first);
      std::vector<float> volume(static_cast<std::size_t>(grid.voxel_count()));
      resampler.apply(std::span(recorded, kVoxels), std::span(volume));
      double sum = 0;
      for (std::size_t v = 0; v < sums.size(); ++v) {
        const float value = volume[static_cast<std::size_t>(features_.mask.voxels[v])];
        const auto column = static_cast<Eigen::Index>(v);
        found.voxels(t, column) = value;
        if (value != found.voxels(0, column)) found.usable[v] = 1;
        sum += static_cast<double>(value);
        sums[v] += static_cast<double>(value);
      }
      found.global_signal.push_back(sum / static_cast<double>(sums.size()));
      smoother.apply(std::span(volume));
      for (std::size_t v = 0; v < sums.size(); ++v) {
        found.values(t, static_cast<Eigen::Index>(v)) = volume[static_cast<std::size_t>(features_.mask.voxels[v])];
      }
    }
    for (const double sum : sums) found.mean.push_back(static_cast<float>(sum / static_cast<double>(volumes)));
    return found;
  }

  void expect_direct(const PreprocessOptions& options) const {
    const Found expected = direct(options);
    for (const int threads : {1, 3, 8, 12}) {
      SCOPED_TRACE(testing::Message() << image_.header.volumes << " volumes, " << options.drop_first << " dropped, "
                                      << options.fwhm_mm << " mm, " << threads << " threads");
      const Found found = read(options, threads);
      EXPECT_TRUE(same_bits(found.values, expected.values));
      EXPECT_TRUE(same_bits(found.voxels, expected.voxels));
      EXPECT_EQ(found.usable, expected.usable);
      EXPECT_EQ(found.mean, expected.mean);
      EXPECT_EQ(found.global_signal, expected.global_signal);
    }
  }

  TemporaryFolder folder_;
  Image image_;
  noema::Run run_;
  FeatureSpace features_;
  int threads_ = thread_count();
};

// Batches of 1, 3 and 8 volumes: fewer than one, part of one, several and a rest.
TEST_F(MaskedRunTest, IsTheDirectFormForAnyThreadCount) {
  for (const std::int64_t volumes : {1, 7, 8, 21}) {
    write(volumes);
    write_image(run_.bold, image_);
    for (const int dropped : {0, 4}) {
      if (dropped >= volumes) continue;
      for (const double fwhm_mm : {0.0, 5.0}) {
        PreprocessOptions options;
        options.drop_first = dropped;
        options.fwhm_mm = fwhm_mm;
        expect_direct(options);
      }
    }
  }
}

TEST_F(MaskedRunTest, ResamplesBeforeItSmooths) {
  write(9);
  write_image(run_.bold, image_);
  features_.mask.grid.shape = {6, 6, 6};
  features_.mask.grid.ras_from_voxel << 2, 0.1, 0, 0.5, -0.1, 2.1, 0, 0.7, 0, 0, 2.2, 0.4, 0, 0, 0, 1;
  features_.mask.voxels.resize(60);
  PreprocessOptions options;
  options.resample = true;
  options.drop_first = 1;
  options.fwhm_mm = 4;
  expect_direct(options);
}

TEST_F(MaskedRunTest, RecordsWhatVariesAndIsFinite) {
  write(7);
  const auto at = [&](std::int64_t t, std::size_t voxel) -> float& {
    return image_.values[static_cast<std::size_t>(kVoxels * t + features_.mask.voxels[voxel])];
  };
  for (std::int64_t t = 0; t < 7; ++t) at(t, 2) = 3;
  at(6, 4) = std::nanf("");
  at(0, 9) = at(1, 9) = at(2, 9) = at(3, 9) = at(4, 9) = at(5, 9) = 8;  // varies in the last volume alone
  write_image(run_.bold, image_);
  for (const int threads : {1, 3, 8}) {
    const Found found = read({}, threads);
    for (std::size_t v = 0; v < found.usable.size(); ++v) EXPECT_EQ(found.usable[v], v != 2 && v != 4) << v;
    EXPECT_EQ(found.mean[2], 3);
    EXPECT_EQ(found.mean[4], 0);
    double sum = 0;
    for (std::size_t v = 0; v < found.usable.size(); ++v) sum += v == 4 ? 0 : static_cast<double>(at(6, v));
    EXPECT_NEAR(found.global_signal[6], sum / static_cast<double>(found.usable.size() - 1), 1e-9);
  }
}

// The file ends early: what was read ahead of the damage is not taken for the whole.
TEST_F(MaskedRunTest, ErrorsOfReadingAheadAreThrown) {
  write(9);
  run_.bold = folder_.path() / "sub-01_task-x_bold.nii";
  write_image(run_.bold, image_);
  std::filesystem::resize_file(run_.bold, std::filesystem::file_size(run_.bold) - 4 * 10);
  for (const int threads : {1, 3, 8}) EXPECT_THROW(read({}, threads), FormatError) << threads;
}

}  // namespace
}  // namespace noema
