#include "noema/pipelines/compare_images.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/memory.h"
#include "noema/io/image_reader.h"
#include "noema/io/nifti.h"
#include "noema/pipelines/explain.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/results_page.h"
#include "noema/pipelines/surfaces.h"
#include "noema/preprocess/smooth.h"
#include "noema/preprocess/smooth_grayordinates.h"

namespace noema {
namespace {

namespace fs = std::filesystem;

std::int64_t chosen_volume(const VolumeChoice& choice, const char* which, std::int64_t volumes) {
  if (!choice.volume && volumes > 1) {
    throw UsageError(fmt::format("'{}' has {} volumes, expected one; choose it with --{}-volume N (from 0)",
                                 choice.file.string(), volumes, which));
  }
  const std::int64_t volume = choice.volume.value_or(0);
  if (volume < 0 || volume >= volumes) {
    throw UsageError(fmt::format("'{}' has {} volumes, found volume {} asked for, expected 0 to {}",
                                 choice.file.string(), volumes, volume, volumes - 1));
  }
  if (choice.against_others && volumes < 2) {
    throw UsageError(
        fmt::format("'{}' has one volume, so there are no others to subtract; expected at least 2 for --{}-contrast",
                    choice.file.string(), which));
  }
  return volume;
}

Image read_volume(const VolumeChoice& choice, const char* which) {
  ImageReader reader(choice.file);
  const std::int64_t volumes = reader.header().volumes;
  const std::int64_t wanted = chosen_volume(choice, which, volumes);
  Image image{reader.header(), {}};
  image.header.volumes = 1;
  image.values.resize(static_cast<std::size_t>(image.header.grid.voxel_count()));
  if (!choice.against_others) {
    reader.seek(wanted);
    reader.read_volume(image.values);
    return image;
  }
  std::vector<double> sum(image.values.size(), 0);
  std::vector<double> volume(image.values.size());
  for (std::int64_t t = 0; t < volumes; ++t) {
    reader.read_volume(volume);
    const double weight = t == wanted ? 1 : -1 / static_cast<double>(volumes - 1);
    for (std::size_t v = 0; v < sum.size(); ++v) sum[v] += weight * volume[v];
  }
  std::copy(sum.begin(), sum.end(), image.values.begin());
  return image;
}

void require_grid(const Image& first, const Image& other) {
  if (same_grid(first.header.grid, other.header.grid)) return;
  throw ShapeError(fmt::format("'{}' has {}, '{}' has {}; resample one to the other's grid", first.header.path.string(),
                               describe(first.header.grid), other.header.path.string(), describe(other.header.grid)));
}

Mask either(const Image& first, const Image& second) {
  Mask mask;
  mask.grid = first.header.grid;
  for (std::size_t v = 0; v < first.values.size(); ++v) {
    if (first.values[v] != 0 || second.values[v] != 0) mask.voxels.push_back(static_cast<std::int64_t>(v));
  }
  return mask;
}

void leave_out_not_finite(Mask& mask, const Image& first, const Image& second) {
  const std::size_t left_out = std::erase_if(mask.voxels, [&](std::int64_t v) {
    const auto i = static_cast<std::size_t>(v);
    return !std::isfinite(first.values[i]) || !std::isfinite(second.values[i]);
  });
  if (left_out > 0) log_warning(fmt::format("{} voxels left out because an image has no number there", left_out));
}

void smooth_first(const CompareImagesOptions& options, Image& first) {
  const Grid& grid = first.header.grid;
  const std::vector<SurfaceMesh> meshes = read_meshes(options.surfaces, grid);
  if (grid.grayordinates != nullptr) {
    GrayordinateSmoother(*grid.grayordinates, options.fwhm_mm, meshes).apply(first.values);
  } else {
    Smoother(grid, options.fwhm_mm).apply(std::span<float>(first.values));
  }
}

std::vector<float> as_floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

}  // namespace

ImageComparison compare_images(const CompareImagesOptions& options) {
  ImageComparison result;
  result.first = read_volume(options.first, "first");
  result.second = read_volume(options.second, "second");
  require_grid(result.first, result.second);
  if (options.mask.empty()) {
    result.mask = either(result.first, result.second);
  } else {
    const Image mask = read_image(options.mask);
    require_grid(result.first, mask);
    result.mask = mask_from_image(mask);
  }
  leave_out_not_finite(result.mask, result.first, result.second);
  if (result.mask.size() < 3) {
    throw DataError(fmt::format("'{}' and '{}' have {} voxels with a value, expected at least 3; is one of them empty?",
                                options.first.file.string(), options.second.file.string(), result.mask.size()));
  }
  smooth_first(options, result.first);
  const std::vector<double> first = values_in_mask(result.first, result.mask);
  const std::vector<double> second = values_in_mask(result.second, result.mask);
  for (const MapPart part : options.parts) {
    const Agreement found = compare_maps(first, second, part);
    MapAgreement row;
    row.first = options.first.file.filename().string();
    row.second = options.second.file.filename().string();
    row.part = to_string(part);
    row.fwhm_mm = options.fwhm_mm;
    row.pearson = found.pearson;
    row.spearman = found.spearman;
    row.dice = found.dice;
    row.features = found.features;
    result.rows.push_back(std::move(row));
  }
  const ImageHeader header = result.first.header;
  result.first = unmask(result.mask, as_floats(first));
  result.second = unmask(result.mask, as_floats(second));
  result.first.header.disk_orientation = result.second.header.disk_orientation = header.disk_orientation;
  if (options.background.empty()) {
    result.background = unmask(result.mask, std::vector<float>(result.mask.voxels.size(), 1.0F));
  } else {
    result.background = read_image(options.background);
    require_grid(result.second, result.background);
    if (result.background.header.volumes > 1) {
      throw UsageError(fmt::format("--background: '{}' has {} volumes, expected one", options.background.string(),
                                   result.background.header.volumes));
    }
  }
  return result;
}

void write_image_comparison(const fs::path& folder, const CompareImagesOptions& options,
                            const ImageComparison& comparison, const Provenance& provenance) {
  open_output_folder(folder, "compare", provenance.configuration);
  fs::create_directories(folder / "maps");
  Results results;
  results.command = "compare";
  results.chance = std::nan("");
  results.title =
      fmt::format("{} and {}", options.first.file.filename().string(), options.second.file.filename().string());
  results.agreement = comparison.rows;
  results.surfaces = keep_meshes(folder, read_meshes(options.surfaces));
  const auto write = [&](const char* name, const Image& image) {
    results.files.push_back(fmt::format("maps/{}{}", name, map_ending(image.header.grid)));
    write_image(folder / results.files.back(), image);
    return results.files.back();
  };
  results.mean_images = {write("desc-background_boldref", comparison.background)};
  results.maps = {
      {write("desc-first_statmap", comparison.first), "first: " + comparison.rows[0].first, "", "", ""},
      {write("desc-second_statmap", comparison.second), "second: " + comparison.rows[0].second, "", "", ""}};
  results.method.preprocessing = {
      fmt::format("Compared are {} voxels{}; {}.", comparison.mask.size(),
                  options.mask.empty() ? " where either image is not zero" : " of the mask",
                  options.fwhm_mm > 0 ? fmt::format("the first image was smoothed by {:g} mm", options.fwhm_mm)
                                      : std::string("neither image was smoothed"))};
  results.peak_memory_mb = peak_memory_mb();
  results.files.emplace_back("report.html");
  write_results(folder, results, provenance);
  write_report(folder);
}

}  // namespace noema
