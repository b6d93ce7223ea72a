#include "noema/core/memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

namespace noema {
namespace {

TEST(Memory, PeakFollowsWhatIsTouched) {
  constexpr std::size_t kBytes = 64 << 20;
  const double before = peak_memory_mb();
  EXPECT_GT(before, 1);
  {
    const auto block = std::make_unique<char[]>(kBytes + (1 << 20));
    std::memset(block.get(), 1, kBytes);
    EXPECT_GE(peak_memory_mb(), before + 32) << "at least what was touched beyond what lay free before";
  }
  const double after = peak_memory_mb();
  EXPECT_GE(after, before + 32) << "a peak does not fall";
  EXPECT_LT(after * (1 << 20), static_cast<double>(physical_memory_bytes()));
}

TEST(Memory, LargePagesAreAHintThatChangesNoValue) {
  std::vector<char> block(5 << 20, 7);
  advise_large_pages(block.data(), block.size());
  advise_large_pages(block.data(), 10);
  advise_large_pages(nullptr, 0);
  for (const char value : block) ASSERT_EQ(value, 7);
}

}  // namespace
}  // namespace noema
