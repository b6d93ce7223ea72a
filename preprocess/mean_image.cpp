#include "noema/preprocess/mean_image.h"

#include <fmt/format.h>

#include <cmath>

#include <vector>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/progress.h"
#include "noema/io/image_reader.h"

namespace noema {

Image mean_image(const std::filesystem::path& path, int drop_first) {
  ImageReader reader(path);
  Image image;
  image.header = reader.header();
  const std::int64_t volumes = image.header.volumes - drop_first;
  if (drop_first < 0 || volumes < 1) {
    throw UsageError(fmt::format("'{}': {} volumes to drop of {}", path.string(), drop_first, image.header.volumes));
  }
  const auto voxels = static_cast<std::size_t>(image.header.grid.voxel_count());
  std::vector<double> sum(voxels);
  image.values.resize(voxels);
  Progress progress("mean of " + path.filename().string(), volumes);
  reader.seek(drop_first);
  for (std::int64_t t = 0; t < volumes; ++t) {
    check_cancelled();
    reader.read_volume(std::span(image.values));
    for (std::size_t v = 0; v < voxels; ++v) sum[v] += static_cast<double>(image.values[v]);
    progress.advance();
  }
  for (std::size_t v = 0; v < voxels; ++v) image.values[v] = static_cast<float>(sum[v] / static_cast<double>(volumes));
  image.header.volumes = 1;
  return image;
}

Image mean_image(const Image& run) {
  std::vector<double> sum(static_cast<std::size_t>(run.header.grid.voxel_count())), count(sum.size());
  for (std::int64_t t = 0; t < run.header.volumes; ++t) {
    const std::span<const float> volume = run.volume(t);
    for (std::size_t v = 0; v < sum.size(); ++v) {
      if (!std::isfinite(volume[v])) continue;
      sum[v] += static_cast<double>(volume[v]);
      count[v] += 1;
    }
  }
  Image mean;
  mean.header = run.header;
  mean.header.volumes = 1;
  mean.values.resize(sum.size());
  for (std::size_t v = 0; v < sum.size(); ++v) {
    mean.values[v] = count[v] > 0 ? static_cast<float>(sum[v] / count[v]) : 0.0F;
  }
  return mean;
}

}  // namespace noema
