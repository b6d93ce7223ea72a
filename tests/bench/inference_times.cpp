// Group inference on arrays that a script gives:
//   inference_times tfce MAP X Y Z SIDES REPETITIONS OUT          MAP, OUT: float64 (X fastest)
// One line of JSON with the seconds; OUT is what was computed, to compare.
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <span>

#include "noema/glm/tfce.h"
#include "noema/tests/bench/raw_array.h"

namespace noema {
namespace {

Mask full_box(std::int64_t x, std::int64_t y, std::int64_t z) {
  Mask mask;
  mask.grid.shape = {x, y, z};
  mask.voxels.resize(static_cast<std::size_t>(x * y * z));
  std::iota(mask.voxels.begin(), mask.voxels.end(), 0);
  return mask;
}

void time_tfce(std::span<char*> words) {
  const Mask mask = full_box(std::atoll(words[1]), std::atoll(words[2]), std::atoll(words[3]));
  const std::vector<double> map = read_raw<double>(words[0], mask.voxels.size());
  TfceOptions options;
  options.two_sided = std::atoi(words[4]) == 2;
  std::vector<double> enhanced;
  report_times("tfce", std::atoi(words[5]), [&] { enhanced = tfce(mask, map, options); });
  write_raw(words[6], enhanced);
}

}  // namespace
}  // namespace noema

int main(int count, char** words) {
  const std::string what = count > 1 ? words[1] : "";
  const std::span<char*> rest(words + 2, words + std::max(count, 2));
  if (what == "tfce" && rest.size() == 7) {
    noema::time_tfce(rest);
    return 0;
  }
  std::fputs("inference_times tfce MAP X Y Z SIDES REPETITIONS OUT\n", stderr);
  return 2;
}
