// core/hash: fingerprints of files, arrays and configurations (XXH3, 128 bits; not for security).
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace noema {

/// A running fingerprint; equal bytes in equal order give equal text on every machine.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  Hasher& add(std::span<const std::byte> bytes);
  Hasher& add(std::string_view text);
  /// 32 hexadecimal digits.
  std::string digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string hash_text(std::string_view text);
std::string hash_bytes(std::span<const std::byte> bytes);
/// @throws IoError if the file cannot be read.
std::string hash_file(const std::filesystem::path& path);

}  // namespace noema
