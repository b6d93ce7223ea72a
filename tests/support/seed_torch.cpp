// Each test begins with the same seed of LibTorch, whose own differs from process to process, and whatever ran before.
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

namespace {

class SeedsTorch : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override {
    at::Generator generator = at::detail::getDefaultCPUGenerator();
    generator.set_current_seed(1);
  }
};

const bool registered = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new SeedsTorch);
  return true;
}();

}  // namespace
