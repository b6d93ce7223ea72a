#include "noema/kernels/prepared_kernels.h"

#include <gtest/gtest.h>

#include "made_up.h"

namespace noema {
namespace {

TEST(PreparedKernels, AreFoundByTheirNumbersAndThePlan) {
  const LongConvSizes sizes{2, 3, 20, 20, 4};
  const auto plan = std::make_shared<const LongConvPlan>(sizes), other = std::make_shared<const LongConvPlan>(sizes);
  std::vector<float> past = normal(60, 1), future = normal(12, 2), skip = normal(3, 3);
  const auto taps = [&](bool with_skip) {
    return Taps<const float>{past.data(), 20, future.data(), 4, 1, with_skip ? skip.data() : nullptr};
  };
  const std::shared_ptr<const float> prepared(new float[1], std::default_delete<float[]>());
  PreparedKernels kernels;
  EXPECT_EQ(kernels.find(plan, sizes, taps(true)), nullptr);
  kernels.keep(plan, sizes, taps(true), prepared);
  EXPECT_EQ(kernels.find(plan, sizes, taps(true)), prepared);
  EXPECT_EQ(kernels.find(other, sizes, taps(true)), nullptr);
  EXPECT_EQ(kernels.find(plan, sizes, taps(false)), nullptr);
  for (std::vector<float>* values : {&past, &future, &skip}) {
    const float before = values->back();
    values->back() += 0.5F;
    EXPECT_EQ(kernels.find(plan, sizes, taps(true)), nullptr);
    values->back() = before;
  }
  EXPECT_EQ(kernels.find(plan, sizes, taps(true)), prepared);
}

TEST(PreparedKernels, TakeNoMoreMemoryThanTheyMay) {
  const LongConvSizes sizes{1, 1, 1000, 1000, 0};
  const auto plan = std::make_shared<const LongConvPlan>(sizes);
  const auto bytes = static_cast<std::size_t>(plan->prepared_floats() + 1001) * sizeof(float);
  std::vector<std::vector<float>> taps;
  for (unsigned i = 0; i < 6; ++i) taps.push_back(normal(1000, i));
  const auto of = [&](std::size_t i) { return Taps<const float>{taps[i].data(), 1000, nullptr, 0, 1, nullptr}; };
  const std::shared_ptr<const float> prepared(new float[1], std::default_delete<float[]>());
  PreparedKernels four(4 * bytes), none(bytes);
  for (std::size_t i = 0; i < 6; ++i) {
    four.keep(plan, sizes, of(i), prepared);
    EXPECT_EQ(four.find(plan, sizes, of(0)), prepared) << "it is used each time";
    none.keep(plan, sizes, of(i), prepared);
    EXPECT_EQ(none.find(plan, sizes, of(i)), nullptr) << "more than a quarter";
  }
  EXPECT_EQ(four.find(plan, sizes, of(1)), nullptr);
  EXPECT_EQ(four.find(plan, sizes, of(2)), nullptr);
  for (const std::size_t i : {0U, 3U, 4U, 5U}) EXPECT_EQ(four.find(plan, sizes, of(i)), prepared);
}

}  // namespace
}  // namespace noema
