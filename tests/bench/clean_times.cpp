// Cleans a raw array, so that a script can time another program on the same numbers:
//   clean_times detrend|band-pass SERIES CONFOUNDS|- VOLUMES FEATURES REPETITIONS OUT
// SERIES and OUT: float32 (T, F); CONFOUNDS: float64 (T, C). Detrended, band-pass: 0.01 to 0.1 Hz at a TR of 2 s, with
// the confounds regressed out, z-scored. One line of JSON with the wall-clock seconds, one with the least CPU seconds.
#include <fmt/format.h>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <span>
#include <string>

#include "noema/preprocess/clean.h"
#include "noema/tests/bench/raw_array.h"

namespace noema {
namespace {

template <class Matrix>
Matrix read_matrix(const std::string& path, Eigen::Index rows, Eigen::Index columns) {
  const auto values = read_raw<typename Matrix::Scalar>(path, static_cast<std::size_t>(rows * columns));
  return Eigen::Map<const Matrix>(values.data(), rows, columns);
}

int run(std::span<char*> words) {
  const std::string name = words.empty() ? "" : words[0];
  if (words.size() != 7 || (name != "detrend" && name != "band-pass")) {
    std::fprintf(stderr, "usage: see the first lines of tests/bench/clean_times.cpp\n");
    return 2;
  }
  CleanOptions options;
  options.tr_s = 2;
  if (name == "band-pass") {
    options.filter = TemporalFilter::butterworth;
    options.high_pass_hz = 0.01;
    options.low_pass_hz = 0.1;
  }
  const Eigen::Index volumes = std::atol(words[3]);
  const MatrixF series = read_matrix<MatrixF>(words[1], volumes, std::atol(words[4]));
  MatrixD confounds;
  if (std::string(words[2]) != "-") {
    const auto values = static_cast<Eigen::Index>(std::filesystem::file_size(words[2]) / sizeof(double));
    confounds = read_matrix<MatrixD>(words[2], volumes, values / volumes);
  }
  MatrixF cleaned;
  double cpu_s = 1e30;
  report_times(name, std::atoi(words[5]), [&] {
    const std::clock_t begin = std::clock();
    cleaned = clean(series, confounds, {}, options);
    cpu_s = std::min(cpu_s, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
  });
  fmt::print("{{\"min_cpu_s\": {:.6f}}}\n", cpu_s);
  write_raw(words[6], std::vector<float>(cleaned.data(), cleaned.data() + cleaned.size()));
  return 0;
}

}  // namespace
}  // namespace noema

int main(int argc, char** argv) try {
  return noema::run({argv + 1, argv + argc});
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
