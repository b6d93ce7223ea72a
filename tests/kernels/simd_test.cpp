#include "noema/kernels/simd.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "noema/core/error.h"

namespace noema {
namespace {

/// simd_level() asks once in a process, so each question is one to a process of its own.
int level_with(const char* name) {
  setenv("NOEMA_SIMD", name, 1);
  try {
    return static_cast<int>(simd_level());
  } catch (const UsageError&) {
    return 100;
  }
}

TEST(SimdLevelDeathTest, IsWhatTheEnvironmentNames) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::exit(level_with("baseline")), testing::ExitedWithCode(0), "");
  const bool avx2 = highest_simd_level() >= SimdLevel::avx2;
  EXPECT_EXIT(std::exit(level_with("avx2")), testing::ExitedWithCode(avx2 ? 1 : 100), "");
  EXPECT_EXIT(std::exit(level_with("")), testing::ExitedWithCode(static_cast<int>(highest_simd_level())), "");
  EXPECT_EXIT(std::exit(level_with("avx1024")), testing::ExitedWithCode(100), "");
  const bool tiles = highest_simd_level() == SimdLevel::amx;
  EXPECT_EXIT(std::exit(level_with("amx")), testing::ExitedWithCode(tiles ? 3 : 100), "");
}

}  // namespace
}  // namespace noema
