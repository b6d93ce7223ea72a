#include "noema/core/error.h"

namespace noema {

struct Error::State {
  std::string message;
  std::string full;
  std::source_location where;
};

Error::Error(std::string message, std::source_location where)
    : state_(std::make_shared<State>(State{message, message, where})) {}

const char* Error::what() const noexcept { return state_->full.c_str(); }
const std::string& Error::message() const noexcept { return state_->message; }
const std::source_location& Error::where() const noexcept { return state_->where; }

void Error::add_context(std::string_view context) {
  state_ = std::make_shared<State>(
      State{state_->message, std::string(context) + ": " + state_->full, state_->where});
}

IoError::IoError(std::filesystem::path path, const std::string& message, std::source_location where)
    : Error("'" + path.string() + "': " + message, where), path_(std::move(path)) {}

FormatError::FormatError(std::filesystem::path path, std::int64_t offset, const std::string& message,
                         std::source_location where)
    : Error("'" + path.string() + "'" + (offset >= 0 ? " (byte " + std::to_string(offset) + ")" : "") + ": " + message,
            where),
      path_(std::move(path)),
      offset_(offset) {}

}  // namespace noema
