#include <fmt/format.h>

#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/io/atomic_file.h"
#include "noema/io/cifti.h"
#include "noema/io/gzip_output.h"
#include "noema/io/nifti.h"
#include "noema/io/nifti_header.h"
#include "noema/io/nifti_values.h"
#include "noema/io/orientation.h"

namespace noema {
namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;
constexpr std::size_t kLongestDescription = 79;
constexpr std::size_t kLongestComment = 1 << 28;  // byte offsets up to here are exact in NIfTI-1's float

/// What the name asks for.
struct FileForm {
  std::filesystem::path data;
  /// Empty for a single file.
  std::filesystem::path header = {};
  bool gzip = false;
};

FileForm form_of(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  const auto is_called = [&](std::string_view ending) { return name.size() > ending.size() && name.ends_with(ending); };
  if (is_called(".nii.gz")) return {.data = path, .gzip = true};
  if (is_called(".nii")) return {.data = path};
  if (is_called(".hdr") || is_called(".img")) {
    std::filesystem::path header = path, data = path;
    return {.data = data.replace_extension(".img"), .header = header.replace_extension(".hdr")};
  }
  throw UsageError(fmt::format(
      "'{}': the name decides the format and must end in .nii, .nii.gz, or .hdr or .img (a pair)", path.string()));
}

void check(const std::filesystem::path& path, const ImageHeader& header, const WriteOptions& options) {
  const auto refuse = [&](const std::string& what) {
    throw UsageError(fmt::format("'{}' cannot be written: {}", path.string(), what));
  };
  const auto& [x, y, z] = header.grid.shape;
  if (x < 1 || y < 1 || z < 1 || header.volumes < 1) {
    refuse(fmt::format("the header has no voxels ({}×{}×{}, {} volumes)", x, y, z, header.volumes));
  }
  const auto& affine = header.grid.ras_from_voxel;
  if (!affine.cast<float>().allFinite() || affine.topLeftCorner<3, 3>().determinant() == 0) {
    refuse("the affine of its grid is singular or not finite in float32");
  }
  if (!(header.tr_s >= 0 && std::isfinite(header.tr_s))) {
    refuse(fmt::format("the TR is {} s, expected a positive number, or 0 for none", header.tr_s));
  }
  if (options.description.size() > kLongestDescription) {
    refuse(
        fmt::format("the description has {} bytes, at most {} fit", options.description.size(), kLongestDescription));
  }
  if (options.comment.size() > kLongestComment) {
    refuse(fmt::format("the comment has {} bytes, at most {} fit", options.comment.size(), kLongestComment));
  }
  if (options.value_range) {
    const auto [low, high] = *options.value_range;
    if (!(low <= high && std::isfinite(low) && std::isfinite(high))) {
      refuse(fmt::format("the value range {} to {} is not one", low, high));
    }
  }
}

bool is_scaled(const WriteOptions& options) { return options.value_range.has_value() && is_integer(options.type); }

NiftiScaling scaling_of(const std::filesystem::path& path, const ImageHeader& header, const WriteOptions& options) {
  if (!is_scaled(options)) return {};
  const auto [low, high] = *options.value_range;
  const NiftiScaling scaling = scaling_for(options.type, low, high, nifti_version_for(header) == 1);
  if (!std::isfinite(scaling.slope) || !std::isfinite(scaling.intercept)) {
    throw DataError(
        fmt::format("'{}' cannot be written: the value range {} to {} is too large to be scaled to {}; "
                    "write float64",
                    path.string(), low, high, to_string(options.type)));
  }
  return scaling;
}

}  // namespace

struct NiftiWriter::State {
  ImageHeader header;
  WriteOptions options;
  NiftiScaling scaling;
  FileForm form;
  GzipOutput output;
  /// Of a pair.
  std::string header_bytes;
  std::vector<std::byte> buffer = std::vector<std::byte>(kBufferBytes);
  std::size_t used = 0;
  std::int64_t next = 0;

  State(const std::filesystem::path& path, const ImageHeader& image, const WriteOptions& write_options)
      : header(image),
        options(write_options),
        scaling((check(path, image, write_options), scaling_of(path, image, write_options))),
        form(form_of(path)),
        output(form.data, form.gzip) {
    header.path = path;
    if (!options.restore_orientation) header.disk_orientation = {};
    const bool is_pair = !form.header.empty();
    header_bytes = encode_nifti_header(header, options, scaling, is_pair);
    if (!is_pair) output.write(std::as_bytes(std::span(header_bytes)));
  }

  /// Both files of a pair are complete before either has its name.
  void commit() {
    flush();
    if (form.header.empty()) return output.commit();
    AtomicFile header_file(form.header);
    header_file.write(header_bytes);
    output.commit();
    header_file.commit();
  }

  void flush() { output.write(std::span(buffer).first(std::exchange(used, 0))); }

  template <class In>
  [[noreturn]] void refuse(In value) const {
    throw DataError(fmt::format(
        "'{}': volume {} holds {}, which {} cannot hold; {}", header.path.string(), next + 1, value,
        to_string(options.type),
        is_scaled(options)
            ? fmt::format("the value range said {} to {}", (*options.value_range)[0], (*options.value_range)[1])
            : "write float32, or give the value range so that the values are scaled"));
  }

  template <class In>
  void write_row(const In* in, std::int64_t step, std::int64_t count) {
    const auto encode = value_encoder<In>(options.type, is_scaled(options));
    const std::int64_t size = bytes_of(options.type);
    while (count > 0) {
      if (used == buffer.size()) flush();
      const std::int64_t part = std::min(count, static_cast<std::int64_t>(buffer.size() - used) / size);
      const std::int64_t written = encode(in, step, part, scaling, buffer.data() + used);
      if (written < part) refuse(in[written * step]);
      used += static_cast<std::size_t>(part * size);
      in += part * step;
      count -= part;
    }
  }

  template <class In>
  void write_volume(std::span<const In> values) {
    if (static_cast<std::int64_t>(values.size()) != header.grid.voxel_count()) {
      throw ShapeError(fmt::format("'{}': {} values given, but a volume has {}", header.path.string(), values.size(),
                                   header.grid.voxel_count()));
    }
    if (next >= header.volumes) {
      throw UsageError(fmt::format("'{}': volume {} given, but the header announced {}", header.path.string(), next + 1,
                                   header.volumes));
    }
    const DiskWalk walk = disk_walk(header.grid, header.disk_orientation);
    auto [columns, rows, slices] = to_disk(header.grid, header.disk_orientation).shape;
    if (header.disk_orientation.is_canonical()) columns *= std::exchange(rows, 1) * std::exchange(slices, 1);
    for (std::int64_t c = 0; c < slices; ++c) {
      for (std::int64_t b = 0; b < rows; ++b) {
        write_row(values.data() + walk.first + b * walk.step[1] + c * walk.step[2], walk.step[0], columns);
      }
    }
    ++next;
  }
};

NiftiWriter::NiftiWriter(const std::filesystem::path& path, const ImageHeader& header, const WriteOptions& options)
    : state_(std::make_unique<State>(path, header, options)) {}
NiftiWriter::~NiftiWriter() = default;
NiftiWriter::NiftiWriter(NiftiWriter&&) noexcept = default;
NiftiWriter& NiftiWriter::operator=(NiftiWriter&&) noexcept = default;

void NiftiWriter::write_volume(std::span<const float> values) { state_->write_volume(values); }
void NiftiWriter::write_volume(std::span<const double> values) { state_->write_volume(values); }

void NiftiWriter::commit() {
  if (state_->next < state_->header.volumes) {
    throw UsageError(fmt::format("'{}': {} volumes written, but the header announced {}", state_->header.path.string(),
                                 state_->next, state_->header.volumes));
  }
  state_->commit();
}

namespace {

// The name decides between time and maps.
void write_grayordinates(const std::filesystem::path& path, const Image& image, const WriteOptions& options) {
  Cifti cifti;
  CiftiHeader& header = cifti.header;
  header.kind = path.filename().string().ends_with(".dtseries.nii") ? CiftiKind::dtseries : CiftiKind::dscalar;
  header.brain_models = image.header.grid.grayordinates;
  header.points = image.header.volumes;
  header.series.step = image.header.tr_s;
  header.storage.comment = options.comment;
  const std::string name = path.filename().string();
  const std::string stem = name.substr(0, name.find('.'));
  for (std::int64_t t = 0; t < header.points && !header.has_series(); ++t) {
    header.maps.push_back({header.points == 1 ? stem : fmt::format("{} {}", stem, t + 1), {}});
  }
  cifti.values = Eigen::Map<const MatrixF>(image.values.data(), header.points, header.places());
  write_cifti(path, cifti);
}

}  // namespace

void write_image(const std::filesystem::path& path, const Image& image, const WriteOptions& options) {
  const ImageHeader& header = image.header;
  if (static_cast<std::int64_t>(image.values.size()) != header.grid.voxel_count() * header.volumes) {
    throw ShapeError(
        fmt::format("'{}' cannot be written: the image has {} values, its header announces {} of {} voxels",
                    path.string(), image.values.size(), header.volumes, header.grid.voxel_count()));
  }
  if (header.grid.grayordinates != nullptr) return write_grayordinates(path, image, options);
  WriteOptions chosen = options;
  chosen.value_range.reset();
  if (is_integer(options.type) && !image.values.empty()) {
    const auto as_it_is = [&](float value) { return fits(options.type, value); };
    if (!std::all_of(image.values.begin(), image.values.end(), as_it_is)) {
      double low = std::numeric_limits<double>::infinity(), high = -low;
      for (const float value : image.values) {
        if (!std::isfinite(value)) continue;  // the writer names the volume that holds it
        low = std::min<double>(low, value);
        high = std::max<double>(high, value);
      }
      if (low <= high) chosen.value_range = {low, high};
    }
  }
  NiftiWriter writer(path, header, chosen);
  for (std::int64_t t = 0; t < header.volumes; ++t) {
    check_cancelled();
    writer.write_volume(image.volume(t));
  }
  writer.commit();
}

}  // namespace noema
