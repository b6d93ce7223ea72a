#include "noema/io/image_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <optional>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/io/cifti_parcels.h"
#include "noema/io/nifti.h"

namespace noema {
namespace {

ImageHeader image_header(const CiftiHeader& cifti) {
  ImageHeader header;
  header.grid = header.disk_grid = grid_of(cifti.brain_models);
  header.volumes = cifti.points;
  header.tr_s = cifti.has_series() ? cifti.series.tr_s() : 0;
  header.disk_datatype = static_cast<int>(cifti.storage.type);
  header.path = cifti.path;
  return header;
}

}  // namespace

struct ImageReader::State {
  std::optional<NiftiReader> nifti;
  ImageHeader cifti_header;
  MatrixF cifti_values;
  /// The parcel of each grayordinate; empty where each has its own value.
  std::vector<std::int32_t> parcel;
  std::int64_t next = 0;

  explicit State(const std::filesystem::path& path) {
    if (is_cifti_file(path)) {
      const CiftiHeader header = read_cifti_header(path);
      cifti_header = image_header(header);
      if (header.has_parcels()) parcel = parcel_features(header).parcel_of_voxel;
    } else {
      nifti.emplace(path);
    }
  }

  template <class T>
  void read_volume(std::span<T> values) {
    if (nifti) return nifti->read_volume(values);

    const std::string path = cifti_header.path.string();
    if (static_cast<std::int64_t>(values.size()) != cifti_header.grid.voxel_count()) {
      throw ShapeError(fmt::format("'{}': room for {} values given, but there are {} grayordinates", path,
                                   values.size(), cifti_header.grid.voxel_count()));
    }
    if (next >= cifti_header.volumes) {
      throw UsageError(fmt::format("'{}': volume {} was asked for, but there are {}; go back with seek() first", path,
                                   next + 1, cifti_header.volumes));
    }
    if (cifti_values.size() == 0) cifti_values = read_cifti(cifti_header.path).values;
    const float* row = cifti_values.row(next).data();
    for (std::size_t g = 0; g < values.size(); ++g) {
      values[g] = static_cast<T>(row[parcel.empty() ? g : static_cast<std::size_t>(parcel[g])]);
    }
    ++next;
  }
};

ImageReader::ImageReader(const std::filesystem::path& path) : state_(std::make_unique<State>(path)) {}
ImageReader::~ImageReader() = default;
ImageReader::ImageReader(ImageReader&&) noexcept = default;
ImageReader& ImageReader::operator=(ImageReader&&) noexcept = default;

const ImageHeader& ImageReader::header() const {
  return state_->nifti ? state_->nifti->header() : state_->cifti_header;
}

void ImageReader::read_volume(std::span<float> values) { state_->read_volume(values); }
void ImageReader::read_volume(std::span<double> values) { state_->read_volume(values); }

void ImageReader::seek(std::int64_t volume) {
  if (state_->nifti) return state_->nifti->seek(volume);
  if (volume < 0 || volume > header().volumes) {
    throw UsageError(fmt::format("'{}': there is no volume {}; the first is 0, and there are {}",
                                 header().path.string(), volume, header().volumes));
  }
  state_->next = volume;
}

ImageHeader read_header(const std::filesystem::path& path) { return ImageReader(path).header(); }

Image read_image(const std::filesystem::path& path) {
  ImageReader reader(path);
  Image image;
  image.header = reader.header();
  const std::int64_t count = image.header.grid.voxel_count() * image.header.volumes;
  try {
    image.values.resize(static_cast<std::size_t>(count));
  } catch (const std::bad_alloc&) {
    throw DataError(
        fmt::format("'{}': {} values need {:.1f} GiB, more memory than there is; read it volume by volume "
                    "or on a larger machine",
                    path.string(), count, static_cast<double>(count) * sizeof(float) / (1 << 30)));
  }
  for (std::int64_t t = 0; t < image.header.volumes; ++t) {
    check_cancelled();
    reader.read_volume(image.volume(t));
  }
  return image;
}

}  // namespace noema
