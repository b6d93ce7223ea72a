#include "noema/io/system_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace noema {
namespace {

std::string remedy(const std::filesystem::path& path, int error_number) {
  const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
  switch (error_number) {
    case ENOSPC:
      return fmt::format("make room on the disk of '{}', or choose another output folder", folder);
    case EDQUOT:
      return fmt::format("your quota on the disk of '{}' is used up: make room, or choose another output folder",
                         folder);
    case EFBIG:
      return "the file is larger than the disk's format or the limit of this process (ulimit -f) allows";
    case EACCES:
    case EPERM:
      return fmt::format("check the permissions of the file and of '{}', or choose another place", folder);
    case EROFS:
      return "the disk is mounted read-only: choose another place";
    case ENOENT:
    case ENOTDIR:
      return fmt::format("check the name, and that the folder '{}' is there", folder);
    case ENAMETOOLONG:
      return "choose a shorter name";
    case EMFILE:
    case ENFILE:
      return "too many files are open: raise the limit (ulimit -n) or run fewer jobs at once";
    case EISDIR:
      return "a folder has this name: choose another";
    default:
      return "";
  }
}

}  // namespace

IoError system_error(const std::filesystem::path& path, std::string_view action, int error_number) {
  const std::string what_to_do = remedy(path, error_number);
  return IoError(path, fmt::format("cannot be {}: {}{}{}", action, std::strerror(error_number),
                                   what_to_do.empty() ? "" : "; ", what_to_do));
}

}  // namespace noema
