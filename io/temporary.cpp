#include "noema/io/temporary.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "noema/core/hash.h"
#include "noema/core/log.h"
#include "noema/io/atomic_file.h"
#include "noema/io/system_error.h"

namespace noema {
namespace {

constexpr std::size_t kMachineDigits = 8;
constexpr auto kForeignAge = std::chrono::hours(24);

std::string machine_id() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return hash_text(name.data()).substr(0, kMachineDigits);
}

struct Owner {
  std::string machine;
  int process = 0;
};

// The name reads prefix, machine, "-", process, "-", counter.
std::optional<Owner> owner_of(std::string_view name) {
  if (!name.starts_with(kTemporaryPrefix)) return std::nullopt;
  name.remove_prefix(kTemporaryPrefix.size());
  if (name.size() < kMachineDigits + 2 || name[kMachineDigits] != '-') return std::nullopt;
  Owner owner{std::string(name.substr(0, kMachineDigits)), 0};
  name.remove_prefix(kMachineDigits + 1);
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), owner.process);
  if (error != std::errc{} || owner.process <= 0 || end == name.data() + name.size() || *end != '-')
    return std::nullopt;
  return owner;
}

bool is_stale(const std::filesystem::directory_entry& entry, const Owner& owner) {
  if (owner.machine == machine_id()) return ::kill(owner.process, 0) != 0 && errno == ESRCH;
  std::error_code error;
  const auto changed = entry.last_write_time(error);
  return !error && std::filesystem::file_time_type::clock::now() - changed > kForeignAge;
}

}  // namespace

namespace temporary {

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

std::filesystem::path name_beside(const std::filesystem::path& path) {
  static std::atomic<int> counter{0};
  return folder_of(path) / fmt::format("{}{}-{}-{}", kTemporaryPrefix, machine_id(), ::getpid(), counter++);
}

void flush(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw system_error(path, "flushed to the disk", errno);
  const int result = ::fsync(descriptor);
  const int reason = errno;
  ::close(descriptor);
  // Some file systems know no flush of a folder.
  if (result != 0 && reason != EINVAL) throw system_error(path, "flushed to the disk", reason);
}

}  // namespace temporary

int remove_stale_temporaries(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error);
  if (error) throw system_error(folder, "listed", error.value());
  int removed = 0;
  for (const auto& entry : entries) {
    const auto owner = owner_of(entry.path().filename().string());
    if (!owner || !is_stale(entry, *owner)) continue;
    std::filesystem::remove_all(entry.path(), error);
    if (error) {
      log_warning(fmt::format("'{}' is left over from a process that was killed and could not be removed: {}",
                              entry.path().string(), error.message()));
    } else {
      ++removed;
    }
  }
  return removed;
}

}  // namespace noema
