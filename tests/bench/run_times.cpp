// From a file of a run to what is made of it, so that a script can time another program on the same file:
//   run_times load BOLD MASK REPETITIONS OUT               OUT: float32 (T, V), the mask's voxels x fastest
//   run_times band-pass BOLD MASK REPETITIONS OUT          smoothed by 6 mm, detrended, 0.01 to 0.1 Hz, z-scored
//   run_times first-level BOLD MASK EVENTS REPETITIONS OUT  smoothed by 6 mm, AR(1), Glover's response, cosine drift of
//                                                          100 s; OUT: float64 (V), z of 'a' minus 'b'
// One line of JSON with the seconds, and one with the peak of memory above what the program needed to start, in MB.
#include <fmt/format.h>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "noema/core/memory.h"
#include "noema/glm/first_level.h"
#include "noema/io/events.h"
#include "noema/io/nifti.h"
#include "noema/preprocess/run.h"
#include "noema/tests/bench/raw_array.h"

namespace noema {
namespace {

constexpr double kFwhm_mm = 6;

Run run_of(const std::string& bold) {
  Run run;
  run.entities = {{"sub", "01"}, {"task", "bench"}};
  run.bold = bold;
  return run;
}

std::shared_ptr<const FeatureSpace> voxels_of(const std::string& path) {
  const Image image = read_image(path);
  auto features = std::make_shared<FeatureSpace>();
  features->mask.grid = image.header.grid;
  for (std::size_t v = 0; v < image.values.size(); ++v) {
    if (image.values[v] != 0) features->mask.voxels.push_back(static_cast<std::int64_t>(v));
  }
  return features;
}

PreprocessOptions plain_options(double fwhm_mm) {
  PreprocessOptions options;
  options.fwhm_mm = fwhm_mm;
  options.clean.detrend = false;
  options.clean.filter = TemporalFilter::none;
  options.clean.standardize = Standardize::none;
  return options;
}

PreprocessOptions band_pass_options() {
  PreprocessOptions options = plain_options(kFwhm_mm);
  options.clean.detrend = true;
  options.clean.filter = TemporalFilter::butterworth;
  options.clean.high_pass_hz = 0.01;
  options.clean.low_pass_hz = 0.1;
  options.clean.standardize = Standardize::zscore;
  return options;
}

void time_series(const std::string& name, std::span<char*> words, const PreprocessOptions& options) {
  std::vector<float> out;
  report_times(name, std::atoi(words[2]), [&] {
    const PreprocessedRun result = preprocess_run(run_of(words[0]), voxels_of(words[1]), options);
    const MatrixF& values = result.series.values;
    if (out.empty()) out.assign(values.data(), values.data() + values.size());
  });
  write_raw(words[3], out);
}

void time_first_level(std::span<char*> words) {
  std::vector<double> out;
  report_times("first-level", std::atoi(words[3]), [&] {
    const PreprocessedRun run = preprocess_run(run_of(words[0]), voxels_of(words[1]), plain_options(kFwhm_mm));
    FirstLevelOptions options;
    options.design.hrf = HrfModel::glover;
    options.design.high_pass_hz = 0.01;
    const RunData data{.name = "run", .series = &run.series, .events = read_events(words[2])};
    const FirstLevelResult result = first_level({data}, {{"a-b", "a - b"}}, options);
    const Eigen::VectorXd& z = result.contrasts.front().maps.z;
    out.assign(z.data(), z.data() + z.size());
  });
  write_raw(words[4], out);
}

int run(const std::vector<std::string>& names, std::span<char*> words) {
  const double before = peak_memory_mb();
  const std::string name = names.empty() ? "" : names.front();
  if (name == "load" && words.size() == 4) {
    time_series(name, words, plain_options(0));
  } else if (name == "band-pass" && words.size() == 4) {
    time_series(name, words, band_pass_options());
  } else if (name == "first-level" && words.size() == 5) {
    time_first_level(words);
  } else {
    std::fprintf(stderr, "usage: see the first lines of tests/bench/run_times.cpp\n");
    return 2;
  }
  fmt::print("{{\"peak_above_start_mb\": {:.1f}}}\n", peak_memory_mb() - before);
  return 0;
}

}  // namespace
}  // namespace noema

int main(int argc, char** argv) try {
  const std::span<char*> words(argv + 1, argv + argc);
  return noema::run({words.begin(), words.begin() + (words.empty() ? 0 : 1)}, words.subspan(words.empty() ? 0 : 1));
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
