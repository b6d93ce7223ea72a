// io/byte_stream: the bytes of a plain or gzip file, in order, through fixed buffers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace noema {

/// Reads a file from front to back; gzip is known by its first bytes and inflated on the way.
///
/// Positions are those of the inflated bytes. Several gzip members follow each other as one stream. Damage is reported
/// once the bytes before it have been used, with its place in the file.
class ByteStream {
 public:
  /// Bytes that `peek` can show at once.
  static constexpr std::size_t kBufferBytes = 256 * 1024;

  /// @throws IoError if the file cannot be opened or is not a regular one
  explicit ByteStream(std::filesystem::path path);
  ~ByteStream();
  ByteStream(ByteStream&&) noexcept;
  ByteStream& operator=(ByteStream&&) noexcept;

  const std::filesystem::path& path() const;
  bool gzip() const;
  /// Bytes on the disk.
  std::int64_t file_size() const;
  /// The most bytes that can come out: the size of a plain file, what deflate can reach at best for gzip.
  std::int64_t max_size() const;
  std::int64_t position() const;

  /// Shows the next bytes: at least `wanted` (at most `kBufferBytes`) unless the file ends before; often more.
  /// @throws FormatError for a damaged or truncated gzip stream, IoError
  std::span<const std::byte> peek(std::size_t wanted);
  /// Goes past bytes that `peek` has shown.
  void consume(std::size_t count);
  /// Copies the next bytes and returns how many there were: fewer than asked only at the end. @throws as peek
  std::size_t read(std::span<std::byte> bytes);
  /// Goes to a position; at the end when the file is shorter. Gzip: inflates all between, from the start when going
  /// back. @throws as peek
  void seek(std::int64_t position);
  /// For when all that matters was read: inflates to the end, which tests the checksum, and warns about what follows.
  /// Stops with a warning after 1 MiB. @throws as peek
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace noema
