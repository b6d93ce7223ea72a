// pipelines/results_page: the report of a command, made from what the command left in its output folder.
#pragma once

#include <filesystem>

#include "noema/report/decode_report.h"

namespace noema {

/// Reads results.json and the images and tables that it names.
/// @throws as `read_results`; IoError naming a file that is missing; ShapeError for images of different grids
/// @param images where the subjects' mean images lie, if not in the folder: they are there before other results
DecodeReport results_page(const std::filesystem::path& folder, const std::filesystem::path& images = {});

/// Writes report.html to the folder. Commands make their own page so, hence it comes out the same when made again.
void write_report(const std::filesystem::path& folder, const std::filesystem::path& images = {});

}  // namespace noema
