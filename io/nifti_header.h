// io/nifti_header: from the bytes of a NIfTI header to what the library works with, and back.
#pragma once

#include <nifti2_io.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "noema/io/byte_stream.h"
#include "noema/io/nifti.h"
#include "noema/io/nifti_values.h"

namespace noema {

/// The fields of a header in the machine's byte order, those of NIfTI-1 widened to NIfTI-2's struct, not yet checked.
struct NiftiFields {
  nifti_2_header h{};
  int version = 1;
  bool swapped = false;
  bool single_file = true;
  /// vox_offset as it is stored: in NIfTI-1 a float, so anything.
  double vox_offset = 0;
};

/// Where fields begin in the header, for messages.
struct NiftiOffsets {
  int dim, datatype, bitpix, pixdim, vox_offset, slope, inter, qform_code, sform_code, quatern, srow, units, intent;
};
const NiftiOffsets& nifti_offsets(int version);

/// Bytes of the header and the four that say whether extensions follow: 352 or 544.
std::int64_t nifti_header_bytes(int version);

/// Reads the header at the begin of `stream` and finds version and byte order. @throws FormatError
NiftiFields read_nifti_fields(ByteStream& stream);

/// What a header means. The sizes have been checked: volumes × voxels × bytes is a number of bytes that fits in memory
/// addresses. Facts about the file (gzip, extensions) are not filled. @throws FormatError
struct NiftiHeader {
  ImageHeader image;
  NiftiFacts facts;
};
NiftiHeader decode_nifti_fields(const std::filesystem::path& path, const NiftiFields& fields);

/// Is it a CIFTI-2 file, by its intent code?
bool is_cifti(const NiftiFields& fields);

/// How the values are stored: version, byte order, number type, scaling, begin of the data, description; all that has
/// the same meaning in images and CIFTI. @throws FormatError
NiftiFacts decode_nifti_storage(const std::filesystem::path& path, const NiftiFields& fields);

/// The affine in mm of the file's voxels by the rules of NiftiReader, into header.image.disk_grid, and the codes.
/// @throws FormatError
void decode_nifti_place(const std::filesystem::path& path, const NiftiFields& fields, NiftiHeader& header);

/// Reads the extensions that `stream` holds between its position (after the header) and `end` (negative: the end of the
/// file) into codes and comment. @throws FormatError for a chain that leaves its room
/// @param cifti  gets the text of the first extension of CIFTI (code 32).
void read_nifti_extensions(ByteStream& stream, std::int64_t end, NiftiFacts& facts, std::string* cifti = nullptr);

/// One header extension as it is stored: its size (a multiple of 16), its code, the text, zeros.
std::string encode_nifti_extension(int code, std::string_view text);

/// Header, extension flag and comment: the bytes in front of the data of a single file, or the header file of a pair.
std::string encode_nifti_header(const ImageHeader& header, const WriteOptions& options, NiftiScaling scaling,
                                bool is_pair);

/// 2 when an axis is too long for NIfTI-1.
int nifti_version_for(const ImageHeader& header);

}  // namespace noema
