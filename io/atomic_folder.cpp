#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "noema/core/log.h"
#include "noema/io/atomic_file.h"
#include "noema/io/system_error.h"
#include "noema/io/temporary.h"

namespace noema {
namespace {

// The folder meant by `path`: "out/" is "out", and a link to a folder is that folder, so that the rename stays on its
// disk.
std::filesystem::path target_of(std::filesystem::path path) {
  if (!path.has_filename()) path = path.parent_path();
  std::error_code error;
  const auto target = std::filesystem::canonical(path, error);
  return error ? path : target;
}

void flush_tree(const std::filesystem::path& root) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (!entry.is_symlink() && (entry.is_regular_file() || entry.is_directory())) temporary::flush(entry.path());
  }
  temporary::flush(root);
}

// Puts the new folder in place of one with content. Swapping both names in one step leaves no moment without either.
void exchange(const std::filesystem::path& fresh, const std::filesystem::path& path) {
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0) return;
  if (errno != EINVAL && errno != ENOSYS) throw system_error(path, "given its name", errno);
  const std::filesystem::path former = temporary::name_beside(path);  // this file system cannot swap
  std::error_code error;
  std::filesystem::rename(path, former, error);
  if (!error) {
    std::filesystem::rename(fresh, path, error);
    std::error_code back;
    std::filesystem::rename(former, error ? path : fresh, back);
  }
  if (error) throw system_error(path, "given its name", error.value());
}

}  // namespace

AtomicFolder::AtomicFolder(std::filesystem::path path, bool replace)
    : path_(target_of(std::move(path))), replace_(replace) {
  std::error_code error;
  if (std::filesystem::exists(path_, error)) {
    if (!std::filesystem::is_directory(path_, error)) {
      throw IoError(path_, "cannot be made: a file has this name; choose another output folder");
    }
    const bool empty = std::filesystem::is_empty(path_, error);
    if (error) throw system_error(path_, "listed", error.value());
    if (!empty && !replace_) {
      throw IoError(path_,
                    "cannot be made: the folder is there and not empty; choose another output folder, or ask for "
                    "it to be replaced");
    }
  }
  temporary_ = temporary::name_beside(path_);
  std::filesystem::create_directory(temporary_, error);
  if (error) throw system_error(path_, "made", error.value());
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!committed_) std::filesystem::remove_all(temporary_, ignored);
}

void AtomicFolder::commit() {
  flush_tree(temporary_);
  std::error_code error;
  const bool occupied = std::filesystem::exists(path_, error) && !std::filesystem::is_empty(path_, error);
  if (occupied && replace_) {
    exchange(temporary_, path_);
  } else {
    std::filesystem::rename(temporary_, path_, error);
    if (error) throw system_error(path_, "given its name", error.value());
  }
  committed_ = true;
  temporary::flush(temporary::folder_of(path_));
  if (!occupied) return;
  std::filesystem::remove_all(temporary_, error);  // the former content, after the swap
  if (error) {
    log_warning(fmt::format("'{}' holds the former content of '{}' and could not be removed: {}", temporary_.string(),
                            path_.string(), error.message()));
  }
}

}  // namespace noema
