#include "noema/core/provenance.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "noema/core/error.h"
#include "noema/core/hash.h"
#include "noema/core/settings.h"
#include "noema/core/version.h"

namespace noema {
namespace {
std::string& command_line() {
  static std::string instance;
  return instance;
}
}  // namespace

nlohmann::json Provenance::to_json() const {
  nlohmann::json files = nlohmann::json::array();
  for (const InputRecord& input : inputs) {
    files.push_back({{"path", input.path},
                     {"size_bytes", input.size_bytes},
                     {"modified_unix_s", input.modified_unix_s},
                     {"hash_xxh3_128", input.hash}});
  }
  return {{"command_line", command_line}, {"version", version}, {"git_revision", git_revision}, {"seed", seed},
          {"threads", threads},           {"created", created}, {"configuration", configuration}, {"inputs", files}};
}

Provenance make_provenance(std::uint64_t seed, std::string configuration) {
  Provenance record;
  record.command_line = command_line();
  record.version = build_info().version;
  record.git_revision = build_info().git_revision;
  record.seed = seed;
  record.threads = thread_count();
  record.created = utc_now();
  record.configuration = std::move(configuration);
  return record;
}

InputRecord record_input(const std::filesystem::path& path) {
  std::error_code error;
  InputRecord record;
  record.path = path.string();
  record.size_bytes = std::filesystem::file_size(path, error);
  if (error) throw IoError(path, "cannot be read: " + error.message());
  const auto modified = std::filesystem::last_write_time(path, error);
  if (error) throw IoError(path, "cannot be read: " + error.message());
  record.modified_unix_s = std::chrono::duration_cast<std::chrono::seconds>(
                               std::chrono::file_clock::to_sys(modified).time_since_epoch())
                               .count();
  record.hash = hash_file(path);
  return record;
}

void set_command_line(int argc, const char* const* argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) {
    const std::string word = argv[i];
    if (i > 0) line += ' ';
    const bool plain = !word.empty() && word.find_first_of(" \t\"'\\$*?&;|<>()`") == std::string::npos;
    if (plain) {
      line += word;
      continue;
    }
    line += '\'';
    for (char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  command_line() = line;
}

std::string utc_now() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

}  // namespace noema
