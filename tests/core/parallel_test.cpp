#include "noema/core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <vector>

#include "noema/core/error.h"
#include "noema/core/settings.h"

namespace noema {
namespace {

class Parallel : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_thread_count(GetParam()); }
};

// Every index is visited exactly once, whatever the thread count and grain.
TEST_P(Parallel, VisitsEachIndexOnce) {
  for (std::int64_t count : {0, 1, 2, 7, 1000}) {
    for (std::int64_t grain : {1, 3, 5000}) {
      std::vector<int> visits(static_cast<std::size_t>(count), 0);
      parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) ++visits[i];
      });
      EXPECT_EQ(visits, std::vector<int>(static_cast<std::size_t>(count), 1));
    }
  }
}

TEST_P(Parallel, RethrowsAfterAllHaveEnded) {
  EXPECT_THROW(parallel_tasks(50, [](std::int64_t i) { if (i == 7) throw NumericalError("seven"); }), NumericalError);
  std::atomic<int> done{0};
  parallel_tasks(50, [&](std::int64_t) { ++done; });
  EXPECT_EQ(done, 50);
}

TEST_P(Parallel, NestedLoopsRunInPlace) {
  std::vector<int> sums(20, 0);
  parallel_tasks(20, [&](std::int64_t i) {
    std::vector<int> parts(10, 0);
    parallel_for(10, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t j = begin; j < end; ++j) parts[j] = static_cast<int>(j);
    });
    sums[i] = std::accumulate(parts.begin(), parts.end(), 0);
  });
  EXPECT_EQ(sums, std::vector<int>(20, 45));
}

INSTANTIATE_TEST_SUITE_P(Threads, Parallel, ::testing::Values(1, 2, 5));

TEST(Settings, RefusesNonsense) {
  EXPECT_THROW(set_thread_count(0), UsageError);
  EXPECT_THROW(set_device("gpu"), UsageError);
  int told = 0;
  on_thread_count([&](int threads) { told = threads; });
  set_thread_count(3);
  EXPECT_EQ(told, 3);
}

}  // namespace
}  // namespace noema
