// Times an image operation on files, so that a script can time another program on the same files:
//   image_times resample IMAGE GRID_IMAGE nearest|linear|cubic [REPETITIONS]
// prints the median and the least of the seconds (without reading the files) and the mean of the results' absolute
// values, separated by tabs.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "noema/core/error.h"
#include "noema/io/nifti.h"
#include "noema/preprocess/resample.h"

namespace noema {
namespace {

double mean_magnitude(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += std::isfinite(value) ? std::abs(static_cast<double>(value)) : 0;
  return sum / static_cast<double>(values.size());
}

void report(int repetitions, const std::function<std::vector<float>()>& work) {
  std::vector<double> seconds;
  double magnitude = 0;
  for (int i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<float> result = work();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    magnitude = mean_magnitude(result);
  }
  std::sort(seconds.begin(), seconds.end());
  std::printf("%.6f\t%.6f\t%.9g\n", seconds[seconds.size() / 2], seconds[0], magnitude);
}

Interpolation interpolation_of(const std::string& name) {
  for (const Interpolation interpolation : {Interpolation::nearest, Interpolation::linear, Interpolation::cubic}) {
    if (name == interpolation_name(interpolation)) return interpolation;
  }
  throw UsageError("found the interpolation '" + name + "', expected nearest, linear or cubic");
}

int run(const std::vector<std::string>& words) {
  if (words.size() < 4) throw UsageError("usage: image_times resample IMAGE GRID_IMAGE INTERPOLATION [REPETITIONS]");
  const int repetitions = words.size() > 4 ? std::stoi(words[4]) : 5;
  if (words[0] != "resample") throw UsageError("found the operation '" + words[0] + "', expected resample");
  const Image image = read_image(words[1]);
  const Grid grid = read_header(words[2]).grid;
  ResampleOptions options;
  options.interpolation = interpolation_of(words[3]);
  report(repetitions, [&] { return resample_image(image, grid, options).values; });
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
