#include "noema/io/byte_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <isa-l/igzip_lib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/io/system_error.h"

namespace noema {
namespace {

constexpr std::size_t kInputBytes = 128 * 1024;
// ISA-L hands back up to eight bytes that it took too many, also across a refill: so many of the former input stay.
constexpr std::size_t kGuardBytes = 16;
constexpr std::int64_t kMaxDeflateRatio = 1032;
constexpr std::int64_t kMaxBytesAfterData = 1 << 20;
constexpr std::string_view kCopyAgain = "the file is damaged or was not copied whole: copy or download it again";

int open_regular(const std::filesystem::path& path, std::int64_t& size) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    std::error_code ignored;
    if (errno == ENOENT && std::filesystem::is_symlink(path, ignored)) {
      throw IoError(path,
                    "is a link to a file that is not there; if the folder is a DataLad or git-annex dataset, get "
                    "the content first (datalad get)");
    }
    throw system_error(path, "read", errno);
  }
  struct stat status {};
  if (::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)) {
    size = status.st_size;
    return descriptor;
  }
  ::close(descriptor);
  if (S_ISDIR(status.st_mode)) throw system_error(path, "read", EISDIR);
  throw IoError(path, "is a pipe or a device, expected a regular file; write the data to a file first");
}

}  // namespace

struct ByteStream::State {
  std::filesystem::path path;
  int descriptor = -1;
  bool gzip = false;
  std::int64_t file_size = 0;
  std::int64_t file_position = 0;  // of the next byte to be read from the disk
  std::int64_t position = 0;       // of out[begin]
  std::vector<std::byte> out = std::vector<std::byte>(kBufferBytes);
  std::size_t begin = 0;
  std::size_t end = 0;
  bool ended = false;
  std::optional<FormatError> damage;
  std::vector<std::uint8_t> in;
  std::unique_ptr<inflate_state> inflater;

  ~State() {
    if (descriptor >= 0) ::close(descriptor);
  }

  std::size_t read_file(void* bytes, std::size_t count) {
    while (true) {
      const ssize_t got = ::pread(descriptor, bytes, count, file_position);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw system_error(path, "read", errno);
      file_position += got;
      return static_cast<std::size_t>(got);
    }
  }

  void rewind() {
    file_position = position = 0;
    begin = end = 0;
    ended = false;
    damage.reset();
    if (!gzip) return;
    if (!inflater) inflater = std::make_unique<inflate_state>();
    in.resize(kGuardBytes + kInputBytes);
    isal_inflate_init(inflater.get());
    inflater->crc_flag = ISAL_GZIP;
    inflater->next_in = in.data() + kGuardBytes;
    inflater->avail_in = 0;
  }

  std::int64_t input_position() const { return file_position - inflater->avail_in; }

  // Makes at least `wanted` bytes of input ready if the file has them; returns how many there are.
  std::size_t refill(std::size_t wanted) {
    while (inflater->avail_in < wanted) {
      const std::size_t kept = kGuardBytes + inflater->avail_in;
      std::memmove(in.data(), inflater->next_in - kGuardBytes, kept);
      inflater->next_in = in.data() + kGuardBytes;
      const std::size_t got = read_file(in.data() + kept, in.size() - kept);
      if (got == 0) break;
      inflater->avail_in += static_cast<std::uint32_t>(got);
    }
    return inflater->avail_in;
  }

  void set_damage(std::string_view what) {
    damage.emplace(path, input_position(), fmt::format("the gzip stream {}; {}", what, kCopyAgain));
  }

  bool at_member() { return refill(2) >= 2 && inflater->next_in[0] == 0x1f && inflater->next_in[1] == 0x8b; }

  // One step of inflation into the free part of the buffer.
  void inflate_some() {
    const bool has_input = refill(1) > 0;
    inflater->next_out = reinterpret_cast<std::uint8_t*>(out.data() + end);
    inflater->avail_out = static_cast<std::uint32_t>(out.size() - end);
    const std::uint32_t input_before = inflater->avail_in;
    const int code = isal_inflate(inflater.get());
    const std::size_t produced = out.size() - end - inflater->avail_out;
    end += produced;
    if (code == ISAL_INCORRECT_CHECKSUM) {
      set_damage("does not match its checksum");
    } else if (code != ISAL_DECOMP_OK) {
      set_damage(fmt::format("is not valid (ISA-L error {})", code));
    } else if (inflater->block_state == ISAL_BLOCK_FINISH) {
      if (at_member()) {
        isal_inflate_reset(inflater.get());
      } else {
        ended = true;
      }
    } else if (produced == 0 && inflater->avail_in == input_before && !has_input) {
      set_damage("ends early");
    }
  }

  void fill(std::size_t wanted) {
    if (end - begin >= wanted || ended) return;
    std::memmove(out.data(), out.data() + begin, end - begin);
    end -= std::exchange(begin, 0);
    while (end < wanted && !ended) {
      if (damage) throw *damage;
      if (gzip) {
        inflate_some();
      } else {
        const std::size_t got = read_file(out.data() + end, out.size() - end);
        end += got;
        ended = got == 0;
      }
    }
  }
};

ByteStream::ByteStream(std::filesystem::path path) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.path = std::move(path);
  s.descriptor = open_regular(s.path, s.file_size);
  ::posix_fadvise(s.descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
  std::uint8_t magic[2] = {0, 0};
  s.gzip = s.read_file(magic, 2) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
  s.rewind();
}

ByteStream::~ByteStream() = default;
ByteStream::ByteStream(ByteStream&&) noexcept = default;
ByteStream& ByteStream::operator=(ByteStream&&) noexcept = default;

const std::filesystem::path& ByteStream::path() const { return state_->path; }
bool ByteStream::gzip() const { return state_->gzip; }
std::int64_t ByteStream::file_size() const { return state_->file_size; }
std::int64_t ByteStream::position() const { return state_->position; }

std::int64_t ByteStream::max_size() const {
  if (!state_->gzip) return state_->file_size;
  if (state_->file_size > std::numeric_limits<std::int64_t>::max() / kMaxDeflateRatio) return state_->file_size;
  return state_->file_size * kMaxDeflateRatio;
}

std::span<const std::byte> ByteStream::peek(std::size_t wanted) {
  state_->fill(wanted);
  return {state_->out.data() + state_->begin, state_->end - state_->begin};
}

void ByteStream::consume(std::size_t count) {
  state_->begin += count;
  state_->position += static_cast<std::int64_t>(count);
}

std::size_t ByteStream::read(std::span<std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto ready = peek(1);
    if (ready.empty()) break;
    const std::size_t count = std::min(ready.size(), bytes.size() - done);
    std::memcpy(bytes.data() + done, ready.data(), count);
    consume(count);
    done += count;
  }
  return done;
}

void ByteStream::seek(std::int64_t position) {
  State& s = *state_;
  const std::int64_t ready = static_cast<std::int64_t>(s.end - s.begin);
  if (position < s.position || (!s.gzip && position > s.position + ready)) {
    s.rewind();
    if (!s.gzip) s.file_position = s.position = position;
  }
  while (s.position < position) {
    const auto bytes = peek(1);
    if (bytes.empty()) return;
    consume(static_cast<std::size_t>(
        std::min<std::int64_t>(position - s.position, static_cast<std::int64_t>(bytes.size()))));
  }
}

void ByteStream::finish() {
  State& s = *state_;
  if (!s.gzip) return;
  std::int64_t extra = 0;
  for (auto bytes = peek(1); !bytes.empty(); bytes = peek(1)) {
    extra += static_cast<std::int64_t>(bytes.size());
    consume(bytes.size());
    if (extra < kMaxBytesAfterData) continue;
    log_warning(
        fmt::format("'{}': more than 1 MiB follows the data that the header announces; it was not read, and the "
                    "checksum not tested",
                    s.path.string()));
    return;
  }
  if (extra > 0) {
    log_warning(fmt::format("'{}': {} bytes follow the data that the header announces; they were not used",
                            s.path.string(), extra));
  }
  if (const std::int64_t rest = s.file_size - s.input_position(); rest > 0) {
    log_warning(fmt::format("'{}': {} bytes that are not gzip follow the compressed data; they were not read",
                            s.path.string(), rest));
  }
}

}  // namespace noema
