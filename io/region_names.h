// io/region_names: tables that name the regions of an atlas.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace noema {

/// Names by id. Kinds of tables, told apart by their content: a header and columns of ids and names (tabs or commas),
/// `id,name` without a header, lines `id name [r g b [a]]`, lines `id r g b name`, or names and `id r g b a` on
/// alternate lines. Lines that begin with # are comments.
/// @throws IoError; FormatError naming the line.
std::map<std::int32_t, std::string> read_region_names(const std::filesystem::path& path);

/// The table beside an atlas image: the same name, or that without `res-` and `den-`, ending .tsv, .lut, .txt or .csv.
/// Empty if there is none.
std::filesystem::path region_names_beside(const std::filesystem::path& image);

}  // namespace noema
