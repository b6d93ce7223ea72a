// Cleaning of one run: 200 volumes of 60,000 voxels, float32, TR 2 s, on all threads.
// `ninja -C build clean_bench && build/bin/clean_bench`. Times include a copy of the series.
#include <benchmark/benchmark.h>

#include "noema/core/random.h"
#include "noema/preprocess/clean.h"
#include "noema/preprocess/smooth.h"

namespace noema {
namespace {

constexpr Eigen::Index kVolumes = 200;
constexpr Eigen::Index kVoxels = 60'000;

const MatrixF& series() {
  static const MatrixF kSeries = [] {
    MatrixF values(kVolumes, kVoxels);
    RandomStream random(1, "bench");
    for (float& value : values.reshaped<Eigen::RowMajor>()) value = 1000 + static_cast<float>(random.normal());
    return values;
  }();
  return kSeries;
}

CleanOptions band_pass() {
  CleanOptions options;
  options.filter = TemporalFilter::butterworth;
  options.high_pass_hz = 0.01;
  options.low_pass_hz = 0.1;
  options.tr_s = 2;
  return options;
}

void run(benchmark::State& state, const CleanOptions& options, Eigen::Index confounds, Eigen::Index censored) {
  MatrixD regressors(kVolumes, confounds);
  RandomStream random(2, "bench");
  for (double& value : regressors.reshaped()) value = random.normal();
  std::vector<std::uint8_t> keep(kVolumes, 1);
  for (Eigen::Index i = 0; i < censored; ++i) keep[static_cast<std::size_t>(7 + 9 * i)] = 0;
  const MatrixF& values = series();
  for (auto _ : state) benchmark::DoNotOptimize(clean(values, regressors, keep, options).data());
}

void BM_Detrend(benchmark::State& state) { run(state, {}, 0, 0); }
void BM_Detrend36Confounds(benchmark::State& state) { run(state, {}, 36, 0); }
void BM_BandPass(benchmark::State& state) { run(state, band_pass(), 0, 0); }
void BM_BandPass36Confounds(benchmark::State& state) { run(state, band_pass(), 36, 0); }
void BM_BandPass36Confounds20Censored(benchmark::State& state) { run(state, band_pass(), 36, 20); }

void BM_SmoothOneVolume(benchmark::State& state) {
  Grid grid{{61, 73, 61}, Eigen::Matrix4d::Identity()};
  grid.ras_from_voxel.diagonal() << 3, 3, 3, 1;
  std::vector<float> volume(static_cast<std::size_t>(grid.voxel_count()), 1.0F);
  Smoother smoother(grid, 6);
  for (auto _ : state) {
    smoother.apply(std::span(volume));
    benchmark::DoNotOptimize(volume.data());
  }
}

BENCHMARK(BM_Detrend)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(BM_Detrend36Confounds)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(BM_BandPass)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(BM_BandPass36Confounds)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(BM_BandPass36Confounds20Censored)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(BM_SmoothOneVolume)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace
}  // namespace noema
