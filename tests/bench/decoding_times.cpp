// Linear support vector machines on arrays that a script gives:
//   decoding_times svc DATA ROWS COLUMNS LABELS C squared_hinge|hinge REPETITIONS OUT
//   decoding_times searchlight DATA ROWS X Y Z LABELS FOLDS CENTRES RADIUS_IN_VOXELS C REPETITIONS OUT
// DATA: float32, row by row (searchlight: X fastest); LABELS, FOLDS (in which fold a row is tested): int32, one a row;
// CENTRES: int32 voxels, -: all. One line of JSON with the seconds; OUT (float64) is what was computed, to compare:
// each problem's objective, then weights and intercepts; accuracies.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <span>

#include "noema/learn/searchlight.h"
#include "noema/learn/svc.h"
#include "noema/tests/bench/raw_array.h"

namespace noema {
namespace {

MatrixF read_rows(const char* path, std::int64_t rows, std::int64_t columns) {
  const std::vector<float> values = read_raw<float>(path, static_cast<std::size_t>(rows * columns));
  return Eigen::Map<const MatrixF>(values.data(), rows, columns);
}

void time_svc(std::span<char*> words) {
  const std::int64_t rows = std::atoll(words[1]);
  const MatrixF data = read_rows(words[0], rows, std::atoll(words[2]));
  const std::vector<int> labels = read_raw<int>(words[3], static_cast<std::size_t>(rows));
  SvcOptions options;
  options.strengths = {std::atof(words[4])};
  options.loss = std::string(words[5]) == "hinge" ? SvcLoss::hinge : SvcLoss::squared_hinge;
  SvcFit fit;
  const int classes = *std::max_element(labels.begin(), labels.end()) + 1;
  report_times("svc", std::atoi(words[6]), [&] { fit = fit_svc(data, labels, classes, {}, options); });
  std::vector<double> out = fit.objectives;
  out.insert(out.end(), fit.map.weights.data(), fit.map.weights.data() + fit.map.weights.size());
  out.insert(out.end(), fit.map.intercepts.data(), fit.map.intercepts.data() + classes);
  write_raw(words[7], out);
}

void time_searchlight(std::span<char*> words) {
  const std::int64_t rows = std::atoll(words[1]);
  Mask mask;
  mask.grid.shape = {std::atoll(words[2]), std::atoll(words[3]), std::atoll(words[4])};
  mask.voxels.resize(static_cast<std::size_t>(mask.grid.voxel_count()));
  std::iota(mask.voxels.begin(), mask.voxels.end(), 0);
  const MatrixF data = read_rows(words[0], rows, mask.size());
  const std::vector<int> labels = read_raw<int>(words[5], static_cast<std::size_t>(rows));
  const std::vector<int> fold_of = read_raw<int>(words[6], static_cast<std::size_t>(rows));
  std::vector<FoldSamples> folds(static_cast<std::size_t>(*std::max_element(fold_of.begin(), fold_of.end())) + 1);
  for (int n = 0; n < rows; ++n) {
    for (std::size_t f = 0; f < folds.size(); ++f) {
      const bool is_test = fold_of[static_cast<std::size_t>(n)] == static_cast<int>(f);
      (is_test ? folds[f].test : folds[f].train).push_back(n);
    }
  }
  std::vector<std::int32_t> centres(mask.voxels.begin(), mask.voxels.end());
  if (std::string(words[7]) != "-") {
    centres = read_raw<std::int32_t>(words[7], std::filesystem::file_size(words[7]) / sizeof(std::int32_t));
  }
  SearchlightOptions options;
  options.radius_mm = std::atof(words[8]);
  options.strength = std::atof(words[9]);
  options.standardize = options.balanced = false;
  std::vector<float> scores;
  report_times("searchlight", std::atoi(words[10]),
               [&] { scores = searchlight(data, labels, folds, mask, centres, options); });
  write_raw(words[11], std::vector<double>(scores.begin(), scores.end()));
}

}  // namespace
}  // namespace noema

int main(int count, char** words) {
  const std::string what = count > 1 ? words[1] : "";
  const std::span<char*> rest(words + 2, words + std::max(count, 2));
  if (what == "svc" && rest.size() == 8) {
    noema::time_svc(rest);
    return 0;
  }
  if (what == "searchlight" && rest.size() == 12) {
    noema::time_searchlight(rest);
    return 0;
  }
  std::fputs("see the head of decoding_times.cpp for the words it takes\n", stderr);
  return 2;
}
