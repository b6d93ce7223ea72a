#include "noema/io/image_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "nifti_bytes.h"
#include "noema/core/error.h"
#include "noema/io/nifti.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using nlohmann::json;

TEST(ImageInfo, SaysWhatTheHeaderSays) {
  const TemporaryFolder folder;
  NiftiBytes bytes(1, true);
  bytes.shape({3, 2, 4, 2}).pixdim({-1, 2, 3, 4, 1500}).type(4, 16).units(2 | 16).scaling(0.5, -1);
  bytes.sform({{{-2, 0, 0, 10}, {0, 3, 0, -20}, {0, 0, 4, -30}}}, 4);
  bytes.text(148, "caf\xe9 of a scanner").add_text(std::string(96, '\0'));
  write_text(folder / "a.nii.gz", gzip(bytes.str()));
  const json info = to_json(image_info(folder / "a.nii.gz"));
  EXPECT_EQ(info["shape"], json({3, 2, 4}));
  EXPECT_EQ(info["volumes"], 2);
  EXPECT_EQ(info["voxel_size_mm"], json({2.0, 3.0, 4.0}));
  EXPECT_EQ(info["affine"],
            json({{-2.0, 0.0, 0.0, 10.0}, {0.0, 3.0, 0.0, -20.0}, {0.0, 0.0, 4.0, -30.0}, {0, 0, 0, 1}}));
  EXPECT_EQ(info["canonical_affine"], json({{2, 0, 0, 6}, {0, 3, 0, -20}, {0, 0, 4, -30}, {0, 0, 0, 1}}));
  EXPECT_EQ(info["orientation"], "LAS");
  EXPECT_EQ(info["tr_s"], 1.5);
  EXPECT_EQ(info["datatype"], "int16");
  EXPECT_EQ(info["slope"], 0.5);
  EXPECT_EQ(info["intercept"], -1);
  EXPECT_EQ(info["nifti_version"], 1);
  EXPECT_EQ(info["byte_order"], "big");
  EXPECT_EQ(info["gzip"], true);
  EXPECT_EQ(info["sform_code"], 4);
  EXPECT_EQ(info["qform_code"], 0);
  EXPECT_EQ(info["affine_source"], "sform");
  EXPECT_EQ(info["units"], json({{"space", "mm"}, {"time", "ms"}}));
  EXPECT_EQ(info["description"], "café of a scanner");
  EXPECT_EQ(info["extensions"], json::array());
  EXPECT_NO_THROW(info.dump());
}

// Turned axes: the shape and affine are those of the file, beside them the canonical ones.
TEST(ImageInfo, ShapeOfTheFileAndCanonicalShape) {
  const TemporaryFolder folder;
  NiftiBytes bytes(2);
  bytes.shape({5, 2, 3}).type(2, 8).sform({{{0, 0, 1, 0}, {1, 0, 0, 0}, {0, 1, 0, 0}}}, 1);
  write_text(folder / "a.nii", bytes.add_text(std::string(30, 'x')).str());
  const json info = to_json(image_info(folder / "a.nii"));
  EXPECT_EQ(info["shape"], json({5, 2, 3}));
  EXPECT_EQ(info["canonical_shape"], json({3, 5, 2}));
  EXPECT_EQ(info["orientation"], "ASR");
  EXPECT_EQ(info["nifti_version"], 2);
  EXPECT_EQ(info["byte_order"], "little");
  EXPECT_EQ(info["gzip"], false);
  EXPECT_EQ(info["volumes"], 1);
}

TEST(ImageInfo, RefusesWhatTheReaderRefuses) {
  const TemporaryFolder folder;
  EXPECT_THROW(image_info(folder / "none.nii"), IoError);
  write_text(folder / "a.nii", "text");
  EXPECT_THROW(image_info(folder / "a.nii"), FormatError);
}

}  // namespace
}  // namespace noema
