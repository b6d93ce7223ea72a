#include "noema/kernels/cuda/row_transform.h"

#include <bit>
#include <cstddef>

#include "noema/kernels/cpu/transform_plan.h"

namespace noema::cuda {
namespace {

/// Of a part: 64·2^a, 3·64·2^a or 5·64·2^a complex values, to 64 KiB of a block's memory.
constexpr std::int64_t kLeastPart = 64, kMostPart = 8192;
/// Rows of one part; else as few parts as do.
constexpr int kOuters[] = {1, 8, 16, 64};

/// The least part with room for `values`, 0 when there is none.
std::int64_t part_for(std::int64_t values) {
  std::int64_t best = 0;
  for (const std::int64_t odd : {1, 3, 5}) {
    std::int64_t size = odd * kLeastPart;
    while (size < values) size *= 2;
    if (size <= kMostPart && (best == 0 || size < best)) best = size;
  }
  return best;
}

struct Sizes {
  int outer = 1;
  std::int64_t part = 0;
};

Sizes sizes_for(std::int64_t real_values) {
  const std::int64_t values = (real_values + 1) / 2;
  for (const int outer : kOuters) {
    const std::int64_t part = part_for((values + outer - 1) / outer);
    if (part != 0) return {outer, part};
  }
  return {};
}

RowStage stage_of(int radix) {
  if (radix == 64) return {.first = 8, .second = 8};
  if (radix == 16) return {.first = 4, .second = 4};
  return {.first = radix};
}

/// The stages of a part: a 3 or 5 if there is one, then 16 as far as 8 can fill the rest.
std::vector<RowStage> stages_of(std::int64_t part) {
  std::vector<RowStage> stages;
  for (const int odd : {3, 5}) {
    if (part % odd == 0) {
      stages.push_back(stage_of(odd));
      part /= odd;
    }
  }
  int doublings = std::countr_zero(static_cast<std::uint64_t>(part));
  while (doublings % 4 != 0) {
    stages.push_back(stage_of(8));
    doublings -= 3;
  }
  for (; doublings > 0; doublings -= 4) stages.push_back(stage_of(16));
  return stages;
}

}  // namespace

bool RowTransformPlan::fits(std::int64_t real_values) { return sizes_for(real_values).part != 0; }

RowTransformPlan::RowTransformPlan(std::int64_t real_values) {
  const Sizes sizes = sizes_for(real_values);
  transform_.size = static_cast<int>(sizes.part);
  transform_.outer = sizes.outer;
  transform_.outer_stage = stage_of(sizes.outer);
  std::vector<int> radices;
  std::vector<std::int64_t*> begin_of;
  const auto add = [&](RowStage& stage) {
    radices.push_back(stage.first);
    begin_of.push_back(&stage.first_roots);
    if (stage.second == 1) return;
    radices.push_back(stage.second);
    begin_of.push_back(&stage.second_roots);
  };
  if (sizes.outer > 1) add(transform_.outer_stage);
  std::int64_t step = sizes.part;
  for (const RowStage& stage : stages_of(sizes.part)) {
    step /= stage.radix();
    RowStage& here = transform_.stage[transform_.stages++];
    here = stage;
    here.step_log = std::countr_zero(static_cast<std::uint64_t>(step));
    add(here);
  }
  std::vector<std::size_t> begins;
  cpu::append_roots(radices, roots_, begins);
  for (std::size_t i = 0; i < begins.size(); ++i) *begin_of[i] = static_cast<std::int64_t>(begins[i]) / 2;
}

RowTransform RowTransformPlan::transform(const float* roots_there) const {
  RowTransform there = transform_;
  there.roots = roots_there;
  return there;
}

}  // namespace noema::cuda
