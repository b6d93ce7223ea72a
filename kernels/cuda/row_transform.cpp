#include "noema/kernels/cuda/row_transform.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "noema/kernels/cpu/transform.h"
#include "noema/kernels/cpu/transform_plan.h"

namespace noema::cuda {
namespace {

/// Of a part: 64·2^a, 3·64·2^a or 5·64·2^a complex values, to 64 KiB of a block's memory.
constexpr std::int64_t kLeastPart = 64, kMostPart = 8192;
/// As step_log, it makes all groups those of block 0.
constexpr int kNoBlocks = 30;
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

/// The stages of a part: 4 and 8 so far that 16 fills the rest, and the last is always 16. A 3 or 5 is the second,
/// since a first stage that takes more values at once waits for memory less often.
std::vector<RowStage> stages_of(std::int64_t part) {
  std::vector<RowStage> stages;
  int doublings = std::countr_zero(static_cast<std::uint64_t>(part));
  const auto odd = static_cast<int>(part >> doublings);
  while (doublings % 4 != 0) {
    const int radix = doublings == 6 ? 4 : 8;
    stages.push_back(stage_of(radix));
    doublings -= radix == 4 ? 2 : 3;
  }
  for (; doublings > 0; doublings -= 4) stages.push_back(stage_of(16));
  if (odd > 1) stages.insert(stages.begin() + 1, stage_of(odd));
  return stages;
}

/// From `begin` on, the roots of `blocks`·`parts` butterflies of that radix, of which each block has its parts side by
/// side: put in the order of RowStage.
void put_blocks_side_by_side(std::vector<float>& roots, std::size_t begin, int radix, std::size_t blocks,
                             std::size_t parts) {
  const std::size_t count = static_cast<std::size_t>(cpu::root_count(radix)) * parts;
  const auto there = roots.begin() + static_cast<std::ptrdiff_t>(begin);
  const std::vector<float> before(there, there + static_cast<std::ptrdiff_t>(2 * count * blocks));
  for (std::size_t block = 0; block < blocks; ++block) {
    for (std::size_t i = 0; i < count; ++i) {
      std::copy_n(&before[2 * (block * count + i)], 2, &roots[begin + 2 * (i * blocks + block)]);
    }
  }
}

}  // namespace

bool RowTransformPlan::fits(std::int64_t real_values) { return sizes_for(real_values).part != 0; }

RowTransformPlan::RowTransformPlan(std::int64_t real_values) {
  const Sizes sizes = sizes_for(real_values);
  transform_.size = static_cast<int>(sizes.part);
  transform_.outer = sizes.outer;
  transform_.outer_stage = stage_of(sizes.outer);
  std::vector<RowStage*> stages;
  if (sizes.outer > 1) stages.push_back(&transform_.outer_stage);
  std::int64_t step = sizes.part;
  for (const RowStage& stage : stages_of(sizes.part)) {
    step /= stage.radix();
    RowStage& here = transform_.stage[transform_.stages++];
    here = stage;
    here.step = static_cast<int>(step);
    here.step_log = transform_.stages == 1 ? kNoBlocks : std::countr_zero(static_cast<std::uint64_t>(step));
    stages.push_back(&here);
  }
  place_roots(stages);
}

void RowTransformPlan::place_roots(const std::vector<RowStage*>& stages) {
  std::vector<int> radices;
  for (const RowStage* stage : stages) {
    radices.push_back(stage->first);
    if (stage->second > 1) radices.push_back(stage->second);
  }
  std::vector<std::size_t> begins;
  cpu::append_roots(radices, roots_, begins);
  auto begin = begins.begin();
  std::size_t blocks = 1;
  const auto place = [&](int radix, int parts) {
    put_blocks_side_by_side(roots_, *begin, radix, blocks, static_cast<std::size_t>(parts));
    return static_cast<unsigned>(*begin++ / 2);
  };
  for (RowStage* stage : stages) {
    stage->blocks = static_cast<int>(blocks);
    stage->first_roots = place(stage->first, 1);
    if (stage->second > 1) stage->second_roots = place(stage->second, stage->first);
    blocks *= static_cast<std::size_t>(stage->radix());
  }
}

RowTransform RowTransformPlan::transform(const float* roots_there) const {
  RowTransform there = transform_;
  there.roots = roots_there;
  return there;
}

}  // namespace noema::cuda
