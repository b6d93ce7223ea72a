#include "noema/io/seeds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "noema/core/error.h"
#include "noema/tests/io/temporary_folder.h"

namespace noema {
namespace {

std::filesystem::path write(const TemporaryFolder& folder, const std::string& text) {
  write_text(folder / "seeds.tsv", text);
  return folder / "seeds.tsv";
}

TEST(Seeds, NamedAndUnnamed) {
  const TemporaryFolder folder;
  Seeds seeds = read_seeds(write(folder, "name\tx\ty\tz\nV1\t-4.5\t-90\t2\nM1\t38\t-22\t56\n"));
  EXPECT_THAT(seeds.names, testing::ElementsAre("V1", "M1"));
  EXPECT_EQ(seeds.ras_mm[0], Eigen::Vector3d(-4.5, -90, 2));
  EXPECT_EQ(seeds.ras_mm[1], Eigen::Vector3d(38, -22, 56));
  seeds = read_seeds(write(folder, "x,y,z\n1,2,3\n4,5,6\n"));
  EXPECT_THAT(seeds.names, testing::ElementsAre("seed-001", "seed-002"));
}

TEST(Seeds, BadTablesAreErrorsWithTheFile) {
  const TemporaryFolder folder;
  for (const char* text :
       {"x\ty\n1\t2\n", "x\ty\tz\n", "x\ty\tz\n1\tn/a\t3\n", "name\tx\ty\tz\na\t1\t2\t3\na\t1\t2\t4\n"}) {
    EXPECT_THAT(error_of<DataError>([&] { read_seeds(write(folder, text)); }), testing::HasSubstr("seeds.tsv")) << text;
  }
}

}  // namespace
}  // namespace noema
