// Connectivity matrices in HDF5: read back as written; damage and misfits are errors.
#include "noema/io/connectome_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "noema/core/error.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

ConnectomeFile made_up_file() {
  ConnectomeFile content;
  content.regions = {{"A", {1, 2, 3}, 7}, {"Ünder", {-4, std::nan(""), 6}, 8}};
  content.runs = {"sub-01_task-rest", "sub-02_task-rest", "sub-02_task-rest_run-2"};
  content.subjects = {"01", "02", "02"};
  ConnectomeMatrices kind{"correlation", {}, MatrixD::Constant(2, 2, 0.25)};
  for (int r = 0; r < 3; ++r) kind.runs.push_back((MatrixD(2, 2) << 1, 0.1 * r, 0.2 * r, 1).finished());
  ConnectomeMatrices tangent = kind;
  tangent.kind = "tangent";
  tangent.group(0, 1) = -1e-12;
  content.kinds = {kind, tangent};
  content.provenance = R"({"made": "up"})";
  return content;
}

class ConnectomeFileTest : public testing::Test {
 protected:
  fs::path path_ = fs::temp_directory_path() / "noema-connectome-test.h5";
  void TearDown() override { fs::remove(path_); }
};

TEST_F(ConnectomeFileTest, IsReadBack) {
  const ConnectomeFile written = made_up_file();
  write_connectome_file(path_, written);
  EXPECT_TRUE(is_connectome_file(path_));
  const ConnectomeFile read = read_connectome_file(path_);
  EXPECT_EQ(read.runs, written.runs);
  EXPECT_EQ(read.subjects, written.subjects);
  EXPECT_EQ(read.provenance, written.provenance);
  ASSERT_EQ(read.regions.size(), 2u);
  EXPECT_EQ(read.regions[1].name, "Ünder");
  EXPECT_EQ(read.regions[1].voxels, 8);
  EXPECT_EQ(read.regions[0].ras_mm, (std::array<double, 3>{1, 2, 3}));
  EXPECT_TRUE(std::isnan(read.regions[1].ras_mm[1]));
  ASSERT_EQ(read.kinds.size(), 2u);
  for (std::size_t k = 0; k < 2; ++k) {
    EXPECT_EQ(read.kinds[k].kind, written.kinds[k].kind);
    EXPECT_EQ(read.kinds[k].group, written.kinds[k].group);
    EXPECT_EQ(read.kinds[k].runs, written.kinds[k].runs);
  }
}

TEST_F(ConnectomeFileTest, RefusesMatricesThatDoNotFit) {
  ConnectomeFile content = made_up_file();
  content.kinds[0].runs.pop_back();
  EXPECT_THROW(write_connectome_file(path_, content), ShapeError);
  content = made_up_file();
  content.kinds[1].group.resize(3, 3);
  EXPECT_THROW(write_connectome_file(path_, content), ShapeError);
  content = made_up_file();
  content.subjects.pop_back();
  EXPECT_THROW(write_connectome_file(path_, content), ShapeError);
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(ConnectomeFileTest, SeesDamage) {
  write_connectome_file(path_, made_up_file());
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const double searched = 0.25;
  const std::size_t at = bytes.find(std::string(reinterpret_cast<const char*>(&searched), sizeof searched));
  ASSERT_NE(at, std::string::npos);
  file.clear();
  file.seekp(static_cast<std::streamoff>(at));
  file.put('\x01');
  file.close();
  EXPECT_THROW(read_connectome_file(path_), FormatError);
  std::ofstream(path_) << "no HDF5";
  EXPECT_THROW(read_connectome_file(path_), FormatError);
}

}  // namespace
}  // namespace noema
