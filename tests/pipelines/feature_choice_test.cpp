#include "noema/pipelines/feature_choice.h"

#include <gtest/gtest.h>

#include <string>

#include "noema/core/error.h"
#include "noema/core/log.h"

namespace noema {
namespace {

TEST(FeatureChoice, SeriesMustFitInMemory) {
  constexpr std::int64_t kGigabyte = 1'000'000'000;
  const WarningCollector warnings;
  check_memory(1000, 250'000, 3 * kGigabyte);  // 1 GB, three times
  EXPECT_TRUE(warnings.entries().empty());
  check_memory(1000, 250'000, 3 * kGigabyte - 1);
  ASSERT_EQ(warnings.entries().size(), 1U);
  EXPECT_NE(warnings.entries().front().message.find("1.0 GB"), std::string::npos);
  try {
    check_memory(1000, 250'000, kGigabyte - 1);
    FAIL() << "one copy does not fit";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("--features parcels"), std::string::npos);
  }
}

}  // namespace
}  // namespace noema
