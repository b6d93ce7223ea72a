#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string>
#include <string_view>
#include <utility>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/byte_stream.h"
#include "noema/io/nifti.h"
#include "noema/io/nifti_header.h"
#include "noema/io/nifti_values.h"
#include "noema/io/orientation.h"

namespace noema {
namespace {

bool ends_with(const std::filesystem::path& path, std::string_view ending) {
  const std::string name = path.filename().string();
  return name.size() > ending.size() && name.ends_with(ending);
}

// The other file of a pair: the name with `from` (".img") exchanged for `to`, compressed like this one if that is
// there.
std::filesystem::path partner(const std::filesystem::path& path, std::string_view from, std::string_view to) {
  std::string name = path.string();
  const bool gzip = ends_with(path, ".gz");
  if (gzip) name.resize(name.size() - 3);
  name.resize(name.size() - from.size());
  name += to;
  const std::filesystem::path alike = gzip ? name + ".gz" : name;
  const std::filesystem::path other = gzip ? name : name + ".gz";
  std::error_code ignored;
  return !std::filesystem::exists(alike, ignored) && std::filesystem::exists(other, ignored) ? other : alike;
}

bool is_called(const std::filesystem::path& path, std::string_view ending) {
  return ends_with(path, ending) || ends_with(path, std::string(ending) + ".gz");
}

void warn_of_name(const ByteStream& stream) {
  if (stream.gzip() == ends_with(stream.path(), ".gz")) return;
  log_warning(fmt::format("'{}': the file is {}, though its name says otherwise; it was read as what it is",
                          stream.path().string(), stream.gzip() ? "compressed (gzip)" : "not compressed"));
}

}  // namespace

struct NiftiReader::State {
  NiftiHeader header;
  ByteStream data;
  std::int64_t bytes_per_volume = 0;
  std::int64_t next = 0;
  bool finished = false;

  explicit State(const std::filesystem::path& path)
      : data(is_called(path, ".img") ? partner(path, ".img", ".hdr") : path) {
    warn_of_name(data);
    const NiftiFields fields = read_nifti_fields(data);
    header = decode_nifti_fields(data.path(), fields);
    NiftiFacts& facts = header.facts;
    facts.gzip = data.gzip();
    read_nifti_extensions(data, facts.single_file ? facts.data_offset : -1, facts);
    if (!facts.single_file) open_data_of_pair();
    header.image.path = path;
    bytes_per_volume = header.image.grid.voxel_count() * bytes_of(facts.type);
    check_size();
  }

  void open_data_of_pair() {
    if (!is_called(data.path(), ".hdr")) {
      throw FormatError(data.path(), header.facts.version == 1 ? 344 : 4,
                        "this is the header of a pair (.hdr and .img), but the name does not end in .hdr; give it its "
                        "name back, beside the .img file");
    }
    data = ByteStream(partner(data.path(), ".hdr", ".img"));
    header.facts.gzip = data.gzip();
    warn_of_name(data);
  }

  // What the file cannot hold is refused before memory is asked for.
  void check_size() {
    const std::int64_t needed = bytes_per_volume * header.image.volumes;
    const std::int64_t most = data.max_size();
    if (header.facts.data_offset <= most && needed <= most - header.facts.data_offset) return;
    throw FormatError(
        data.path(), data.gzip() ? -1 : data.file_size(),
        fmt::format(
            "the header announces {} volumes of {} bytes from byte {} on, but the file has {} bytes{}; the file "
            "was not copied whole or its header is damaged: copy or download it again",
            header.image.volumes, bytes_per_volume, header.facts.data_offset, data.file_size(),
            data.gzip() ? fmt::format(", which inflate to {} at most", most) : ""));
  }

  // At least one number, all that lie ready, at most `count`.
  std::pair<const std::byte*, std::int64_t> values_ready(std::int64_t count) {
    const std::int64_t size = bytes_of(header.facts.type);
    const auto bytes = data.peek(static_cast<std::size_t>(size));
    const std::int64_t ready = std::min(count, static_cast<std::int64_t>(bytes.size()) / size);
    if (ready > 0) return {bytes.data(), ready};
    const std::int64_t found = data.position() + static_cast<std::int64_t>(bytes.size()) - header.facts.data_offset;
    throw FormatError(
        data.path(), data.file_size(),
        fmt::format("the data ends early: {} bytes found, {} expected; the file was not copied whole: copy "
                    "or download it again",
                    found, bytes_per_volume * header.image.volumes));
  }

  template <class Out>
  void read_rows(std::span<Out> values) {
    const NiftiScaling scaling{header.facts.slope, header.facts.intercept};
    const bool swap = header.facts.big_endian == (std::endian::native == std::endian::little);
    const auto decode = value_decoder<Out>(header.facts.type, swap, scaling);
    const std::int64_t size = bytes_of(header.facts.type);
    const DiskWalk walk = disk_walk(header.image.grid, header.image.disk_orientation);
    // Canonical files are one long row.
    const bool straight = header.image.disk_orientation.is_canonical();
    auto [columns, rows, slices] = header.image.disk_grid.shape;
    if (straight) columns *= std::exchange(rows, 1) * std::exchange(slices, 1);
    for (std::int64_t c = 0; c < slices; ++c) {
      for (std::int64_t b = 0; b < rows; ++b) {
        Out* out = values.data() + walk.first + b * walk.step[1] + c * walk.step[2];
        for (std::int64_t a = 0; a < columns;) {
          const auto [bytes, count] = values_ready(columns - a);
          decode(bytes, count, scaling, out + a * walk.step[0], walk.step[0]);
          data.consume(static_cast<std::size_t>(count * size));
          a += count;
        }
      }
    }
  }

  template <class Out>
  void read_volume(std::span<Out> values) {
    if (static_cast<std::int64_t>(values.size()) != header.image.grid.voxel_count()) {
      throw ShapeError(fmt::format("'{}': room for {} values given, but a volume has {}", data.path().string(),
                                   values.size(), header.image.grid.voxel_count()));
    }
    if (next >= header.image.volumes) {
      throw UsageError(fmt::format("'{}': volume {} was asked for, but there are {}; go back with seek() first",
                                   data.path().string(), next + 1, header.image.volumes));
    }
    with_context(fmt::format("volume {} of {}", next + 1, header.image.volumes), [&] {
      data.seek(header.facts.data_offset + next * bytes_per_volume);
      read_rows(values);
      if (next + 1 == header.image.volumes && !finished) {
        data.finish();
        finished = true;
      }
      ++next;
    });
  }
};

NiftiReader::NiftiReader(const std::filesystem::path& path) : state_(std::make_unique<State>(path)) {}
NiftiReader::~NiftiReader() = default;
NiftiReader::NiftiReader(NiftiReader&&) noexcept = default;
NiftiReader& NiftiReader::operator=(NiftiReader&&) noexcept = default;

const ImageHeader& NiftiReader::header() const { return state_->header.image; }
const NiftiFacts& NiftiReader::facts() const { return state_->header.facts; }
std::int64_t NiftiReader::next_volume() const { return state_->next; }
void NiftiReader::read_volume(std::span<float> values) { state_->read_volume(values); }
void NiftiReader::read_volume(std::span<double> values) { state_->read_volume(values); }

void NiftiReader::seek(std::int64_t volume) {
  if (volume < 0 || volume > state_->header.image.volumes) {
    throw UsageError(fmt::format("'{}': there is no volume {}; the first is 0, and there are {}",
                                 state_->data.path().string(), volume, state_->header.image.volumes));
  }
  state_->next = volume;
}

}  // namespace noema
