#include "noema/io/gzip_output.h"

#include <fmt/format.h>
#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "noema/core/error.h"
#include "noema/io/atomic_file.h"

namespace noema {
namespace {

constexpr std::size_t kOutputBytes = 256 * 1024;
constexpr std::size_t kMostAtOnce = 1 << 30;  // ISA-L counts in 32 bits
constexpr int kLevel = 2;

}  // namespace

struct GzipOutput::State {
  AtomicFile file;
  bool gzip;
  isal_zstream stream{};
  std::vector<std::uint8_t> work;
  std::vector<std::byte> out;

  State(const std::filesystem::path& path, bool compress) : file(path), gzip(compress) {
    if (!gzip) return;
    work.resize(ISAL_DEF_LVL2_DEFAULT);
    out.resize(kOutputBytes);
    isal_deflate_init(&stream);
    stream.gzip_flag = IGZIP_GZIP;
    stream.level = kLevel;
    stream.level_buf = work.data();
    stream.level_buf_size = static_cast<std::uint32_t>(work.size());
  }

  void deflate(std::span<const std::byte> bytes, bool last) {
    stream.next_in = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(bytes.data()));  // only read
    stream.avail_in = static_cast<std::uint32_t>(bytes.size());
    stream.end_of_stream = last;
    do {
      stream.next_out = reinterpret_cast<std::uint8_t*>(out.data());
      stream.avail_out = static_cast<std::uint32_t>(out.size());
      if (const int code = isal_deflate(&stream); code != COMP_OK) {
        throw IoError(file.path(), fmt::format("cannot be compressed (ISA-L error {}); write it uncompressed", code));
      }
      file.write(std::span(out).first(out.size() - stream.avail_out));
    } while (stream.avail_in > 0 || stream.avail_out == 0 || (last && stream.internal_state.state != ZSTATE_END));
  }
};

GzipOutput::GzipOutput(const std::filesystem::path& path, bool gzip) : state_(std::make_unique<State>(path, gzip)) {}
GzipOutput::~GzipOutput() = default;
GzipOutput::GzipOutput(GzipOutput&&) noexcept = default;
GzipOutput& GzipOutput::operator=(GzipOutput&&) noexcept = default;

void GzipOutput::write(std::span<const std::byte> bytes) {
  if (!state_->gzip) return state_->file.write(bytes);
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), kMostAtOnce));
    state_->deflate(part, false);
    bytes = bytes.subspan(part.size());
  }
}

void GzipOutput::commit() {
  if (state_->gzip) state_->deflate({}, true);
  state_->file.commit();
}

}  // namespace noema
