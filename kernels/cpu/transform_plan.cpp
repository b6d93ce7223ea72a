#include "noema/kernels/cpu/transform_plan.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "noema/kernels/cpu/loops.h"

namespace noema::cpu {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;
/// Rows to this number of complex values are transformed level by level: backward has two of 8 KiB, a spectrum and a sum
/// in the first cache's 32 or 48.
constexpr std::int64_t kCachedValues = 1024;

/// The radices of `count` = 2^a·3^b·5^c, empty when it is something else.
std::vector<int> radices_of(std::int64_t count) {
  std::vector<int> radices;
  for (const int radix : {5, 3}) {
    for (; count % radix == 0; count /= radix) radices.push_back(radix);
  }
  int doublings = 0;
  for (; count % 2 == 0; count /= 2) ++doublings;
  if (count != 1) return {};
  // Eights as far as fours can fill the rest.
  if (doublings == 1) radices.push_back(2);
  for (int fours = doublings % 3 == 2 ? 1 : (doublings % 3 == 1 && doublings > 1 ? 2 : 0); fours > 0; --fours) {
    radices.push_back(4);
    doublings -= 2;
  }
  for (; doublings >= 3; doublings -= 3) radices.push_back(8);
  return radices;
}

/// Nanoseconds of a butterfly there and back, for each vector of 16 values (measured with AVX-512).
double cost_of_butterfly(int radix) {
  switch (radix) {
    case 2:
      return 2.2;
    case 3:
    case 4:
      return 3.2;
    case 5:
      return 4.6;
    default:
      return 4.5;
  }
}

void add_root(double angle, std::vector<float>& roots) {
  roots.push_back(static_cast<float>(std::cos(angle)));
  roots.push_back(static_cast<float>(std::sin(angle)));
}

}  // namespace

double transform_cost(std::int64_t length) {
  const std::int64_t vectors = length / 16;
  double cost = 10;  // packing, the work within vectors, unpacking
  for (const int radix : radices_of(vectors)) cost += cost_of_butterfly(radix);
  const bool beyond_second_cache = length > 128 * kCachedValues;
  return 30 + cost * static_cast<double>(vectors) * (beyond_second_cache ? 1.4 : 1.0);
}

std::int64_t transform_length(std::int64_t real_values) {
  const std::int64_t least = (real_values + 2 * kLengthUnit - 1) / (2 * kLengthUnit);
  std::int64_t best = 0;
  for (std::int64_t count = least; count <= 2 * least; ++count) {
    if (count > 1 && radices_of(count).empty()) continue;
    if (best == 0 || transform_cost(count * kLengthUnit) < transform_cost(best * kLengthUnit)) best = count;
  }
  return best * kLengthUnit;
}

std::vector<double> append_roots(std::span<const int> radices, std::vector<float>& roots,
                                 std::vector<std::size_t>& begins) {
  std::vector<double> angles = {kTurn / 4};  // z^M − i
  for (const int radix : radices) {
    begins.push_back(roots.size());
    std::vector<double> parts;
    for (const double angle : angles) {
      for (int p = 1; p < radix; ++p) add_root(angle / radix * p, roots);
      if (radix == 8) add_root(angle / radix + kTurn / 8, roots);
      for (int k = 0; k < radix; ++k) parts.push_back((angle + kTurn * k) / radix);
    }
    angles = std::move(parts);
  }
  return angles;
}

TransformPlan::TransformPlan(std::int64_t length, SimdLevel level) : loops_(&loops_of(level).transform) {
  tables_.lanes = loops_->lanes;
  tables_.vectors = length / loops_->lanes;
  std::int64_t size = length;
  for (const int radix : radices_of(tables_.vectors)) {
    if (size > kCachedValues) tables_.cached_level = tables_.levels + 1;
    tables_.radix[tables_.levels++] = radix;
    size /= radix;
  }
  fill_vector_roots(fill_roots());
}

std::vector<double> TransformPlan::fill_roots() {
  std::vector<std::size_t> begins;
  std::vector<double> angles = append_roots({tables_.radix, static_cast<std::size_t>(tables_.levels)}, roots_, begins);
  for (int level = 0; level < tables_.levels; ++level) tables_.roots[level] = &roots_[begins[level]];
  return angles;
}

/// The butterflies within four vectors with angles θ (lanes.h, split_four): first the outer ones, of the quarters
/// of a vector, where vector q holds quarter q of each; then the inner ones, of the lanes of a quarter.
void TransformPlan::fill_vector_roots(const std::vector<double>& angles) {
  const int lanes = tables_.lanes, quarters = lanes / 4;
  const int outer = lanes == 16 ? 3 : (lanes == 8 ? 2 : 0);
  vector_roots_ = aligned_floats(tables_.vectors / 4 * (outer + 3) * 2 * lanes);
  tables_.vector_roots = vector_roots_.get();
  float* next = vector_roots_.get();
  const auto add = [&](const auto& angle_of_lane) {
    for (int lane = 0; lane < lanes; ++lane) {
      next[lane] = static_cast<float>(std::cos(angle_of_lane(lane)));
      next[lanes + lane] = static_cast<float>(std::sin(angle_of_lane(lane)));
    }
    next += 2 * lanes;
  };
  for (const double* angle = angles.data(); angle != angles.data() + angles.size(); angle += 4) {
    // With 8 lanes the halves of two vectors meet in each of two butterflies of radix 2.
    for (int i = 0; i < outer; ++i) {
      add([&](int lane) {
        const int quarter = lane / 4;
        return lanes == 16 ? angle[quarter] / 4 * (i + 1) : angle[2 * i + quarter] / 2;
      });
    }
    for (int p = 1; p < 4; ++p) {
      add([&](int lane) {
        const int quarter = lane / 4, vector = lane % 4;
        const int source = lanes == 16 ? quarter : (lanes == 8 ? vector / 2 * 2 + quarter : vector);
        const int part = lanes == 16 ? vector : (lanes == 8 ? vector % 2 : 0);
        return (angle[source] + kTurn * part) / quarters / 4 * p;
      });
    }
  }
}

}  // namespace noema::cpu
