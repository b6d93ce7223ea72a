// Loading a compressed 4-D image (64×64×36×200 int16, 59 MB inflated) as float32 in canonical orientation, and beside
// it what zlib alone needs to inflate the same bytes. MB/s are those of inflated data.
#include <benchmark/benchmark.h>
#include <unistd.h>
#include <zlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "noema/io/nifti.h"

namespace noema {
namespace {

constexpr std::int64_t kVolumes = 200;
constexpr std::int64_t kVoxels = std::int64_t{64} * 64 * 36;
constexpr std::int64_t kBytes = kVoxels * kVolumes * 2;

// Air around a smooth head with noise, as compressible as a scan.
class Scan {
 public:
  Scan() : path_(std::filesystem::temp_directory_path() / ("noema-load-bench-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
    ImageHeader header;
    header.grid.shape = {64, 64, 36};
    header.volumes = kVolumes;
    header.tr_s = 2;
    std::mt19937 random(1);
    std::normal_distribution<float> noise(0, 15);
    const auto square = [](double value) { return value * value; };
    for (const bool flipped : {false, true}) {
      header.disk_orientation.flipped = {flipped, false, false};
      NiftiWriter writer(file(flipped), header, {.type = NiftiType::int16});
      std::vector<float> values(static_cast<std::size_t>(kVoxels));
      for (std::int64_t t = 0; t < kVolumes; ++t) {
        for (std::int64_t v = 0; v < kVoxels; ++v) {
          const auto [i, j, k] = header.grid.voxel_at(v);
          const double radius = square((static_cast<double>(i) - 32) / 26) +
                                square((static_cast<double>(j) - 32) / 30) + square((static_cast<double>(k) - 18) / 17);
          const float mean = radius < 1 ? 900 : 0;
          values[static_cast<std::size_t>(v)] = std::round(std::abs(mean + noise(random) * (mean > 0 ? 1 : 0.3F)));
        }
        writer.write_volume(values);
      }
      writer.commit();
    }
  }
  ~Scan() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path file(bool flipped) const { return path_ / (flipped ? "flipped.nii.gz" : "canonical.nii.gz"); }

 private:
  std::filesystem::path path_;
};

const Scan& scan() {
  static const Scan kScan;
  return kScan;
}

void load(benchmark::State& state) {
  const auto file = scan().file(state.range(0) != 0);
  for (auto _ : state) benchmark::DoNotOptimize(read_image(file).values.data());
  state.SetBytesProcessed(state.iterations() * kBytes);
}
BENCHMARK(load)->ArgName("flipped")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime();

// The values are dropped after each volume: no memory for the whole image.
void load_by_volume(benchmark::State& state) {
  std::vector<float> values(static_cast<std::size_t>(kVoxels));
  for (auto _ : state) {
    NiftiReader reader(scan().file(true));
    while (reader.next_volume() < kVolumes) reader.read_volume(values);
  }
  state.SetBytesProcessed(state.iterations() * kBytes);
}
BENCHMARK(load_by_volume)->Unit(benchmark::kMillisecond)->UseRealTime();

void zlib_inflate_alone(benchmark::State& state) {
  std::ifstream stream(scan().file(true), std::ios::binary);
  std::string packed(std::istreambuf_iterator<char>(stream), {});
  std::vector<Bytef> out(1 << 18);
  for (auto _ : state) {
    z_stream inflater{};
    inflateInit2(&inflater, 15 + 16);
    inflater.next_in = reinterpret_cast<Bytef*>(packed.data());
    inflater.avail_in = static_cast<uInt>(packed.size());
    int code = Z_OK;
    while (code == Z_OK) {
      inflater.next_out = out.data();
      inflater.avail_out = static_cast<uInt>(out.size());
      code = inflate(&inflater, Z_NO_FLUSH);
    }
    inflateEnd(&inflater);
    if (code != Z_STREAM_END) state.SkipWithError("zlib could not inflate the file");
  }
  state.SetBytesProcessed(state.iterations() * kBytes);
  state.counters["ratio"] = static_cast<double>(kBytes) / static_cast<double>(packed.size());
}
BENCHMARK(zlib_inflate_alone)->Unit(benchmark::kMillisecond)->UseRealTime();

void write_compressed(benchmark::State& state) {
  const Image image = read_image(scan().file(true));
  const auto file = scan().file(true).replace_filename("written.nii.gz");
  for (auto _ : state) write_image(file, image, {.type = NiftiType::int16});
  state.SetBytesProcessed(state.iterations() * kBytes);
}
BENCHMARK(write_compressed)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace noema
