// io/system_error: what the operating system refused, as an IoError that says what to do about it.
#pragma once

#include <filesystem>
#include <string_view>

#include "noema/core/error.h"

namespace noema {

/// "cannot be <action>: <reason>; <remedy>" for the value of `errno` after a failed call; `action` such as "written".
IoError system_error(const std::filesystem::path& path, std::string_view action, int error_number);

}  // namespace noema
