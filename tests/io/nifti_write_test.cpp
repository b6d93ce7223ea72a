#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <limits>

#include "noema/core/error.h"
#include "noema/io/nifti.h"
#include "noema/io/orientation.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// 4×3×2 voxels, oblique, with values that float32 holds.
Image oblique_image(std::int64_t volumes) {
  Image image;
  image.header.grid.shape = {4, 3, 2};
  Eigen::Matrix4d& affine = image.header.grid.ras_from_voxel;
  affine.topLeftCorner<3, 3>() = Eigen::AngleAxisd(0.3, Eigen::Vector3d(1, 2, 3).normalized()).toRotationMatrix() *
                                 Eigen::Vector3d(2, 2.5, 3).asDiagonal();
  affine.topRightCorner<3, 1>() << -12.5, 40.25, 7;
  image.header.volumes = volumes;
  image.header.tr_s = 1.25;
  for (std::int64_t i = 0; i < 24 * volumes; ++i) image.values.push_back(0.37F * static_cast<float>(i) - 11);
  return image;
}

TEST(NiftiWrite, ReadsBackInEveryFloatTypeAndBothForms) {
  const TemporaryFolder folder;
  const Image image = oblique_image(3);
  for (const char* name : {"a.nii", "a.nii.gz"}) {
    for (const NiftiType type : {NiftiType::float32, NiftiType::float64}) {
      write_image(folder / name, image, {.type = type, .description = "made by a test", .comment = "{\"seed\": 7}"});
      const Image back = read_image(folder / name);
      EXPECT_EQ(back.values, image.values);
      EXPECT_TRUE(same_grid(back.header.grid, image.header.grid, 1e-4));
      EXPECT_EQ(back.header.volumes, 3);
      EXPECT_EQ(back.header.tr_s, 1.25);
      EXPECT_EQ(back.header.disk_datatype, static_cast<int>(type));
      const NiftiReader reader(folder / name);
      EXPECT_EQ(reader.facts().description, "made by a test");
      EXPECT_EQ(reader.facts().comment, "{\"seed\": 7}");
      EXPECT_EQ(reader.facts().extensions, std::vector<int>{6});
      EXPECT_EQ(reader.facts().gzip, std::string(name) == "a.nii.gz");
      EXPECT_EQ(reader.facts().sform_code, 2);
      EXPECT_EQ(reader.facts().qform_code, 2);
      EXPECT_EQ(back.header.qform_code, 2) << "the quaternion gives the same affine";
    }
  }
  EXPECT_EQ(folder.entries(), 2U);
}

}  // namespace
}  // namespace noema
