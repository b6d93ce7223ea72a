// core/error: the exceptions of the library. It throws; it never prints, exits or aborts.
#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

namespace noema {

/// An error with a chain of contexts and the place where it arose; the root of all exceptions of the library.
///
/// `what()` reads from the outside in: "decoding subject 'sub-01': reading mask 'm.nii.gz': found …, expected …".
/// Messages give what was found, what was expected and what to do. Copying does not throw.
class Error : public std::exception {
 public:
  explicit Error(std::string message, std::source_location where = std::source_location::current());

  const char* what() const noexcept override;
  /// The message without its contexts.
  const std::string& message() const noexcept;
  const std::source_location& where() const noexcept;
  /// Puts `context` in front of the chain, as "context: …".
  void add_context(std::string_view context);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// The caller asked for something that cannot be: an unknown option, a value out of range, options that contradict.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// A file could not be opened, read, written or renamed.
class IoError : public Error {
 public:
  IoError(std::filesystem::path path, const std::string& message,
          std::source_location where = std::source_location::current());
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

/// A file was read but is not what it claims to be; `offset` is the byte where that was seen (or -1).
class FormatError : public Error {
 public:
  FormatError(std::filesystem::path path, std::int64_t offset, const std::string& message,
              std::source_location where = std::source_location::current());
  const std::filesystem::path& path() const noexcept { return path_; }
  std::int64_t offset() const noexcept { return offset_; }

 private:
  std::filesystem::path path_;
  std::int64_t offset_;
};

/// Sizes or grids that do not fit together.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// A computation without a valid result: singular, not positive definite, not converged, not finite.
class NumericalError : public Error {
 public:
  using Error::Error;
};

/// The data cannot answer the question asked: no events, one class, a leaking split, all volumes censored.
class DataError : public Error {
 public:
  using Error::Error;
};

/// A device that is not there or failed.
class DeviceError : public Error {
 public:
  using Error::Error;
};

/// The user interrupted the work.
class Cancelled : public Error {
 public:
  using Error::Error;
};

/// Runs `work`; an `Error` that leaves it carries `context` in front.
template <class Work>
decltype(auto) with_context(std::string_view context, Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (Error& error) {
    error.add_context(context);
    throw;
  }
}

}  // namespace noema
