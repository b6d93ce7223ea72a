// First-level models of arrays that a script gives:
//   glm_times ols|ar1|ar2… DATA ROWS DESIGN COLUMNS REPETITIONS OUT
// DATA is raw float32 (row by row), DESIGN raw float64. One line of JSON with the seconds; OUT is float64, t of the
// first column's coefficient in each voxel, to compare.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>

#include "noema/glm/contrast.h"
#include "noema/tests/bench/raw_array.h"

namespace noema {
namespace {

void time_fit(std::span<char*> words) {
  const auto rows = static_cast<std::size_t>(std::atoll(words[2]));
  const auto columns = static_cast<std::size_t>(std::atoll(words[4]));
  const std::size_t numbers = std::filesystem::file_size(words[1]) / sizeof(float);
  const std::vector<float> values = read_raw<float>(words[1], numbers);
  const MatrixF data = Eigen::Map<const MatrixF>(values.data(), static_cast<Eigen::Index>(rows),
                                                 static_cast<Eigen::Index>(numbers / rows));
  const std::vector<double> weights = read_raw<double>(words[3], rows * columns);
  DesignMatrix design;
  design.values =
      Eigen::Map<const MatrixD>(weights.data(), static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns));
  for (std::size_t c = 0; c < columns; ++c) design.names.push_back("c" + std::to_string(c));
  const NoiseModel noise = parse_noise_model(words[0]);
  Eigen::VectorXd t;
  report_times(words[0], std::atoi(words[5]), [&] { t = t_contrast(fit_glm(data, design, noise), "c0").stat; });
  write_raw(words[6], std::vector<double>(t.data(), t.data() + t.size()));
}

}  // namespace
}  // namespace noema

int main(int count, char** words) try {
  if (count != 8) {
    std::fputs("see the head of glm_times.cpp for the words it takes\n", stderr);
    return 2;
  }
  noema::time_fit(std::span<char*>(words + 1, words + count));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
