// io/image_info: what a file says of its image, for people and scripts.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "noema/io/cifti.h"
#include "noema/io/gifti.h"
#include "noema/io/image.h"
#include "noema/io/nifti.h"

namespace noema {

/// Everything the header says; the values are not read.
struct ImageInfo {
  ImageHeader header;
  NiftiFacts facts;
};

/// @throws as NiftiReader
ImageInfo image_info(const std::filesystem::path& path);

/// Shape, affines (4×4, voxel to RAS mm, of the file's voxel order and of the canonical one), orientation letters,
/// volumes, TR, number type, scaling, NIfTI version, byte order, compression, codes, units, description and extensions.
nlohmann::json to_json(const ImageInfo& info);

/// Kind, shape (points × places), TR and unit, structures with their places, names of parcels, maps and labels, and how
/// it is stored. Of a header that was read.
nlohmann::json to_json(const CiftiHeader& header);

/// Its arrays (intent, type, shape, metadata), structure and labels.
nlohmann::json to_json(const Gifti& gifti);

}  // namespace noema
