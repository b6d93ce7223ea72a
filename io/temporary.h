// io/temporary: names of unfinished files, and flushing to the disk; shared by AtomicFile and AtomicFolder.
#pragma once

#include <filesystem>

namespace noema::temporary {

/// The folder that holds `path` ("." for a bare name).
std::filesystem::path folder_of(const std::filesystem::path& path);

/// A name beside `path` that no other thread, process or machine uses: prefix, machine, process, counter.
std::filesystem::path name_beside(const std::filesystem::path& path);

/// Flushes a file or folder to the disk. @throws IoError
void flush(const std::filesystem::path& path);

}  // namespace noema::temporary
