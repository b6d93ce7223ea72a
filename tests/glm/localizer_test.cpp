// The visual localizer of test data: t values that nilearn 0.14 gives with
//   FirstLevelModel(t_r=2, hrf_model="spm", drift_model="cosine", high_pass=1/128, noise_model=..., mask_img=mask)
// and mask = compute_epi_mask(image), for the sum of all conditions and for scene + house - face - body.
#include <gtest/gtest.h>

#include "noema/glm/first_level.h"
#include "noema/io/nifti.h"
#include "noema/io/orientation.h"
#include "noema/preprocess/mask.h"
#include "noema/tests/support/test_data.h"

namespace noema {
namespace {

using Voxel = std::array<std::int64_t, 3>;

class LocalizerTest : public testing::Test {
 protected:
  static constexpr const char* kRun = "localizer/sub-01/func/sub-01_task-localizer_run-01";

  void SetUp() override {
    if (!has_test_data("localizer")) GTEST_SKIP() << "the localizer dataset is not in " << test_data();
    const std::string run = (test_data() / kRun).string();
    const Image image = read_image(run + "_bold.nii.gz");
    header_ = image.header;
    mask_ = compute_epi_mask(image);
    series_.tr_s = 2;  // of the sidecar
    series_.values.resize(header_.volumes, mask_.size());
    for (std::int64_t t = 0; t < header_.volumes; ++t) {
      const auto volume = image.volume(t);
      for (std::int64_t v = 0; v < mask_.size(); ++v) {
        series_.values(t, v) = volume[static_cast<std::size_t>(mask_.voxels[static_cast<std::size_t>(v)])];
      }
    }
    run_ = {.name = "localizer", .series = &series_, .events = read_events(run + "_events.tsv")};
  }

  std::vector<ContrastResult> fit(NoiseModel noise) const {
    const std::vector<ContrastRequest> contrasts{{"all", "body + face + house + object + scene + scramble"},
                                                 {"places", "scene + house - face - body"}};
    return first_level({run_}, contrasts, {.noise = noise}).contrasts;
  }

  /// Indices in the file of a voxel of the mask.
  Voxel in_file(Eigen::Index v) const {
    const std::int64_t index = mask_.voxels[static_cast<std::size_t>(v)];
    return disk_voxel(header_.grid, header_.disk_orientation, header_.grid.voxel_at(index));
  }

  ImageHeader header_;
  Mask mask_;
  Series series_;
  RunData run_;
};

TEST_F(LocalizerTest, TValuesEqualReference) {
  EXPECT_EQ(mask_.size(), 48751);
  const auto contrasts = fit(NoiseModel::ols);
  Eigen::Index place = 0;
  EXPECT_NEAR(contrasts[0].maps.stat.maxCoeff(&place), 23.958, 0.005);
  EXPECT_EQ(in_file(place), (Voxel{31, 71, 12}));
  EXPECT_NEAR(contrasts[1].maps.stat.maxCoeff(&place), 14.878, 0.005);
  EXPECT_EQ(in_file(place), (Voxel{30, 69, 17}));
  EXPECT_NEAR(contrasts[1].maps.stat.minCoeff(&place), -13.729, 0.005);
  EXPECT_EQ(in_file(place), (Voxel{53, 69, 10}));

  const auto whitened = fit(NoiseModel::ar1);
  EXPECT_NEAR(whitened[0].maps.stat.maxCoeff(&place), 18.995, 0.005);
  EXPECT_EQ(in_file(place), (Voxel{50, 62, 3}));
}

}  // namespace
}  // namespace noema
