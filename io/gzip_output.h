// io/gzip_output: bytes into a file that appears whole or not at all, compressed or not.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace noema {

/// An AtomicFile that may compress: gzip by ISA-L, without time or name in it, so equal bytes make equal files.
class GzipOutput {
 public:
  /// @throws IoError
  GzipOutput(const std::filesystem::path& path, bool gzip);
  ~GzipOutput();
  GzipOutput(GzipOutput&&) noexcept;
  GzipOutput& operator=(GzipOutput&&) noexcept;

  /// Appends bytes. @throws IoError
  void write(std::span<const std::byte> bytes);
  /// Ends the stream and gives the file its name. @throws IoError
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace noema
