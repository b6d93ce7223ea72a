// Group inference on arrays that a script gives:
//   inference_times tfce MAP X Y Z SIDES REPETITIONS OUT
//   inference_times permutations DATA TESTED|ones ROWS X Y Z t|tfce|clusters PERMUTATIONS SIDES REPETITIONS OUT
// MAP (X fastest), DATA (row by row), TESTED and OUT are raw float64. One line of JSON with the seconds; OUT is what
// was computed, to compare: the enhanced map; t and −log10 of its corrected p.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <span>

#include "noema/glm/permutation.h"
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

void time_permutations(std::span<char*> words) {
  const std::int64_t rows = std::atoll(words[2]);
  const Mask mask = full_box(std::atoll(words[3]), std::atoll(words[4]), std::atoll(words[5]));
  const std::vector<double> values = read_raw<double>(words[0], mask.voxels.size() * static_cast<std::size_t>(rows));
  const MatrixD data = Eigen::Map<const MatrixD>(values.data(), rows, mask.size());
  Eigen::VectorXd tested = Eigen::VectorXd::Ones(rows);
  if (std::string(words[1]) != "ones") {
    const std::vector<double> read = read_raw<double>(words[1], static_cast<std::size_t>(rows));
    tested = Eigen::Map<const Eigen::VectorXd>(read.data(), rows);
  }
  PermutedOlsOptions options;
  options.tfce = std::string(words[6]) == "tfce";
  if (std::string(words[6]) == "clusters") options.cluster_forming_p = 0.001;
  options.permutations = std::atoll(words[7]);
  options.two_sided = std::atoi(words[8]) == 2;
  PermutedOlsResult result;
  report_times("permutations", std::atoi(words[9]),
               [&] { result = permuted_ols(data, tested, MatrixD(0, 0), &mask, options); });
  std::vector<double> out(result.voxels.stat.data(), result.voxels.stat.data() + result.voxels.stat.size());
  for (const double p : result.voxels.p) out.push_back(-std::log10(p));
  write_raw(words[10], out);
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
  if (what == "permutations" && rest.size() == 11) {
    noema::time_permutations(rest);
    return 0;
  }
  std::fputs("see the head of inference_times.cpp for the words it takes\n", stderr);
  return 2;
}
