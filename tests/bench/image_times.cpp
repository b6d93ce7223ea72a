// Times an image operation on files, so that a script can time another program on the same files:
//   image_times resample IMAGE GRID_IMAGE nearest|linear|cubic [REPETITIONS]
//   image_times regions IMAGE LABELS mean|median|… [REPETITIONS]
//   image_times maps IMAGE MAPS all [REPETITIONS]
// prints the median and the least of the seconds (without reading the files) and the mean of the results' absolute
// values, separated by tabs.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "noema/core/error.h"
#include "noema/io/atlas.h"
#include "noema/io/nifti.h"
#include "noema/preprocess/extract.h"
#include "noema/preprocess/regions.h"
#include "noema/preprocess/resample.h"

namespace noema {
namespace {

template <class Values>
double mean_magnitude(const Values& values) {
  double sum = 0;
  for (const auto value : values) sum += std::isfinite(value) ? std::abs(static_cast<double>(value)) : 0;
  return sum / static_cast<double>(values.size());
}

template <class Work>
void report(int repetitions, const Work& work) {
  std::vector<double> seconds;
  double magnitude = 0;
  for (int i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const auto result = work();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    magnitude = mean_magnitude(result);
  }
  std::sort(seconds.begin(), seconds.end());
  std::printf("%.6f\t%.6f\t%.9g\n", seconds[seconds.size() / 2], seconds[0], magnitude);
}

/// (T, V), without a copy.
Eigen::Map<const MatrixF> volumes_of(const Image& image) {
  return {image.values.data(), image.header.volumes, image.header.grid.voxel_count()};
}

Interpolation interpolation_of(const std::string& name) {
  for (const Interpolation interpolation : {Interpolation::nearest, Interpolation::linear, Interpolation::cubic}) {
    if (name == interpolation_name(interpolation)) return interpolation;
  }
  throw UsageError("found the interpolation '" + name + "', expected nearest, linear or cubic");
}

void time_resampling(const Image& image, const std::string& target, const std::string& name, int repetitions) {
  const Grid grid = read_header(target).grid;
  ResampleOptions options;
  options.interpolation = interpolation_of(name);
  report(repetitions, [&] { return resample_image(image, grid, options).values; });
}

void time_regions(const Image& image, const std::string& labels, const std::string& name, int repetitions) {
  const std::optional<RegionStatistic> statistic = parse_region_statistic(name);
  if (!statistic) throw UsageError("found the statistic '" + name + "'");
  const Atlas atlas = read_atlas(labels);
  report(repetitions, [&] {
    std::vector<std::int32_t> region_of_voxel;
    for (const float label : atlas.image.values) region_of_voxel.push_back(static_cast<std::int32_t>(label) - 1);
    const MatrixD values = Regions(region_of_voxel, atlas.ids.back()).apply(volumes_of(image), *statistic);
    return std::vector<double>(values.data(), values.data() + values.size());
  });
}

void time_maps(const Image& image, const std::string& file, int repetitions) {
  const Image maps = read_image(file);
  report(repetitions, [&] {
    const MatrixD weights = MapProjection(volumes_of(maps).transpose().cast<double>()).apply(volumes_of(image));
    return std::vector<double>(weights.data(), weights.data() + weights.size());
  });
}

int run(const std::vector<std::string>& words) {
  if (words.size() < 4) throw UsageError("usage: image_times OPERATION IMAGE OTHER_IMAGE HOW [REPETITIONS]");
  const int repetitions = words.size() > 4 ? std::stoi(words[4]) : 5;
  const Image image = read_image(words[1]);
  if (words[0] == "resample") {
    time_resampling(image, words[2], words[3], repetitions);
  } else if (words[0] == "regions") {
    time_regions(image, words[2], words[3], repetitions);
  } else if (words[0] == "maps") {
    time_maps(image, words[2], repetitions);
  } else {
    throw UsageError("found the operation '" + words[0] + "', expected resample, regions or maps");
  }
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
