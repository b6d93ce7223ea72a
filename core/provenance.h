// core/provenance: the record of how a result came to be, kept inside or beside every output.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace noema {

struct InputRecord {
  std::string path;
  std::uint64_t size_bytes = 0;
  std::int64_t modified_unix_s = 0;
  std::string hash;
};

struct Provenance {
  std::string command_line;
  std::string version;
  std::string git_revision;
  std::uint64_t seed = 0;
  int threads = 0;
  /// UTC, ISO 8601.
  std::string created;
  /// The effective configuration as TOML.
  std::string configuration;
  std::vector<InputRecord> inputs;

  nlohmann::json to_json() const;
};

/// A record with version, revision, time, command line and threads filled in.
Provenance make_provenance(std::uint64_t seed, std::string configuration);

/// Size, time and fingerprint of a file. @throws IoError
InputRecord record_input(const std::filesystem::path& path);

/// Remembers the words of the process's command line for later records.
void set_command_line(int argc, const char* const* argv);

/// Now, UTC, "2026-03-04T05:06:07Z".
std::string utc_now();

}  // namespace noema
