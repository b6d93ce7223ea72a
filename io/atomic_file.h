// io/atomic_file: files and folders that appear whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace noema {

/// Names of unfinished files and folders begin so; they are hidden and safe to delete when no process writes them.
inline constexpr std::string_view kTemporaryPrefix = ".noema-tmp-";

/// A file that takes its name only once it is complete.
///
/// The bytes go to a temporary in the same folder. `commit` flushes it to the disk, renames it over `path` and flushes
/// the folder; without `commit` the destructor removes it. A symbolic link at `path` is replaced, not followed.
class AtomicFile {
 public:
  /// @throws IoError if the folder is not there or cannot be written to, or `path` is a folder.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends bytes. @throws IoError, for instance when the disk is full.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  /// The name until `commit`, for libraries that open files by name. They must have closed it before `commit`.
  const std::filesystem::path& temporary() const { return temporary_; }
  const std::filesystem::path& path() const { return path_; }
  /// Gives the file its name. @throws IoError; then the temporary is removed and a former file at `path` is untouched.
  void commit();

 private:
  void close();
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  bool committed_ = false;
};

/// Writes `text` to `path`, all or nothing. @throws IoError
void write_file(const std::filesystem::path& path, std::string_view text);

/// Makes a folder and its parents where they are not there. @throws IoError
void make_folder(const std::filesystem::path& folder);

/// A folder that takes its name only once all its files are written: the same promise as AtomicFile's.
class AtomicFolder {
 public:
  /// Creates a hidden folder beside `path`, whose parent must be there.
  ///
  /// @param replace  May `path` be a folder with content? It is exchanged for the new one at `commit`, then removed.
  /// @throws IoError if `path` is a file, or a folder with content and `replace` is false.
  explicit AtomicFolder(std::filesystem::path path, bool replace = false);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  /// Write the outputs here, until `commit`.
  const std::filesystem::path& temporary() const { return temporary_; }
  const std::filesystem::path& path() const { return path_; }
  /// Flushes every file and gives the folder its name. @throws IoError; then `path` is as it was before.
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  bool replace_ = false;
  bool committed_ = false;
};

/// Removes what killed processes left in `folder` (not in its subfolders), and returns how many entries that were.
///
/// The names of temporaries tell machine and process. One of this machine goes when its process no longer runs; one of
/// another machine (a shared disk) when nothing changed it for a day. Entries that cannot be removed are warned about.
/// @throws IoError if the folder cannot be listed.
int remove_stale_temporaries(const std::filesystem::path& folder);

}  // namespace noema
