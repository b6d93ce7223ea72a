// io/cifti: CIFTI-2 files: values of grayordinates or parcels over time or as named maps.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "noema/io/brain_models.h"
#include "noema/io/nifti.h"
#include "noema/io/series.h"

namespace noema {

/// The kinds that are read and written, by their ending.
enum class CiftiKind {
  dtseries,  ///< grayordinates × time
  ptseries,  ///< parcels × time
  dscalar,   ///< grayordinates × named maps
  pscalar,   ///< parcels × named maps
  dlabel,    ///< grayordinates × maps of label keys
};
/// "dtseries" …
std::string_view cifti_kind_name(CiftiKind kind);

/// The points of a series: start + i·step, times 10^exponent of the unit.
struct CiftiSeries {
  double start = 0;
  double step = 1;
  int exponent = 0;
  /// "SECOND", "HERTZ", "METER" or "RADIAN".
  std::string unit = "SECOND";

  /// Seconds from point to point; 0 for another unit.
  double tr_s() const;
  double start_s() const;
};

struct CiftiLabel {
  std::int32_t key = 0;
  std::string name;
  /// Red, green, blue, opacity, each from 0 to 1.
  std::array<float, 4> rgba{1, 1, 1, 1};
};

struct CiftiMap {
  std::string name;
  /// dlabel: its table, ascending keys.
  std::vector<CiftiLabel> labels;
};

struct CiftiParcel {
  std::string name;
  /// Ascending places in the brain models.
  std::vector<std::int64_t> grayordinates;
};

/// What a file says besides its values.
struct CiftiHeader {
  std::filesystem::path path;
  CiftiKind kind = CiftiKind::dscalar;
  /// Dense kinds: the grayordinates. Parcel kinds: all that the parcels hold, each structure's in ascending order.
  std::shared_ptr<const BrainModels> brain_models;
  /// Parcel kinds.
  std::vector<CiftiParcel> parcels;
  /// Series kinds.
  CiftiSeries series;
  /// Other kinds: one for each map.
  std::vector<CiftiMap> maps;
  /// Points in time or maps.
  std::int64_t points = 0;
  /// How it is stored; of a file that was read.
  NiftiFacts storage;

  bool has_parcels() const { return kind == CiftiKind::ptseries || kind == CiftiKind::pscalar; }
  bool has_series() const { return kind == CiftiKind::dtseries || kind == CiftiKind::ptseries; }
  /// Grayordinates or parcels.
  std::int64_t places() const;
};

struct Cifti {
  CiftiHeader header;
  MatrixF values;  // (points, places)
};

/// Is it a NIfTI file whose intent is CIFTI's? @throws IoError, FormatError when it is no NIfTI file
bool is_cifti_file(const std::filesystem::path& path);

/// The header alone, wholly checked: NIfTI-2 header, extension 32, XML (version 2, one map for each dimension), brain
/// models that cover all values once and lie in their surfaces and volume, parcels that share nothing, units, tables of
/// labels, and lengths that agree with the NIfTI header. What the XML says decides the kind; a warning says when the
/// intent code or the name say another.
/// @throws IoError; FormatError naming the element; of files of other kinds (dconn …) naming the kind
CiftiHeader read_cifti_header(const std::filesystem::path& path);

/// All of it; values scaled as the header says. Memory: the values and 64 rows. @throws as read_cifti_header;
/// FormatError for truncated data; Cancelled
Cifti read_cifti(const std::filesystem::path& path);

/// A dtseries or ptseries as a series: features are grayordinates (`features->mask.grid` lists them) or parcels of
/// them.
/// @throws as read_cifti; DataError for another kind or a series that is not over time.
Series read_cifti_series(const std::filesystem::path& path);

/// Writes NIfTI-2 with float32 values (dlabel: int32), all or nothing. The name ends in the kind and .nii, such as
/// ".dscalar.nii". @throws UsageError for another name; ShapeError for parts that do not fit; DataError for a dlabel
/// value that is not a key of its map's table, brain models that are not sound; IoError
void write_cifti(const std::filesystem::path& path, const Cifti& cifti);

/// Brain models as the XML of CIFTI (a dscalar of one map), for files that keep them beside their values.
std::string brain_models_text(const BrainModels& models);
/// @param path  where the text comes from, for messages. @throws FormatError
std::shared_ptr<const BrainModels> parse_brain_models(const std::string& text, const std::filesystem::path& path);

/// A series of grayordinates or of parcels of them as dtseries or ptseries. @throws as write_cifti; ShapeError for
/// features that are not on grayordinates
Cifti cifti_of_series(const Series& series);

}  // namespace noema
