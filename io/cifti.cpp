#include "noema/io/cifti.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/io/cifti_parcels.h"
#include "noema/io/cifti_xml.h"

namespace noema {

std::string_view cifti_kind_name(CiftiKind kind) {
  switch (kind) {
    case CiftiKind::dtseries:
      return "dtseries";
    case CiftiKind::ptseries:
      return "ptseries";
    case CiftiKind::dscalar:
      return "dscalar";
    case CiftiKind::pscalar:
      return "pscalar";
    case CiftiKind::dlabel:
      return "dlabel";
  }
  return "";
}

CiftiIntent cifti_intent(CiftiKind kind) {
  switch (kind) {
    case CiftiKind::dtseries:
      return {3002, "ConnDenseSeries"};
    case CiftiKind::ptseries:
      return {3004, "ConnParcelSries"};
    case CiftiKind::dscalar:
      return {3006, "ConnDenseScalar"};
    case CiftiKind::dlabel:
      return {3007, "ConnDenseLabel"};
    case CiftiKind::pscalar:
      return {3008, "ConnParcelScalr"};
  }
  return {3000, "ConnUnknown"};
}

double CiftiSeries::tr_s() const { return unit == "SECOND" ? step * std::pow(10.0, exponent) : 0; }

double CiftiSeries::start_s() const { return unit == "SECOND" ? start * std::pow(10.0, exponent) : 0; }

std::int64_t CiftiHeader::places() const {
  return has_parcels() ? static_cast<std::int64_t>(parcels.size()) : brain_models->count();
}

std::string brain_models_text(const BrainModels& models) {
  CiftiHeader header;
  header.brain_models = std::make_shared<const BrainModels>(models);
  header.maps = {{"", {}}};
  return format_cifti_xml(header);
}

std::shared_ptr<const BrainModels> parse_brain_models(const std::string& text, const std::filesystem::path& path) {
  CiftiHeader header;
  header.path = path;
  parse_cifti_xml(text, header);
  return header.brain_models;
}

Series read_cifti_series(const std::filesystem::path& path) {
  Cifti cifti = read_cifti(path);
  const CiftiHeader& header = cifti.header;
  if (!header.has_series() || !(header.series.tr_s() > 0)) {
    throw DataError(fmt::format("'{}': found a {}{}, expected a series over time (dtseries, ptseries)", path.string(),
                                cifti_kind_name(header.kind),
                                header.has_series() ? fmt::format(" over {}", header.series.unit) : ""));
  }
  auto features = std::make_shared<FeatureSpace>();
  if (header.has_parcels()) {
    *features = parcel_features(header);
  } else {
    features->mask = all_grayordinates(header);
  }
  Series series;
  series.tr_s = header.series.tr_s();
  series.start_s = header.series.start_s();
  series.keep.assign(static_cast<std::size_t>(header.points), 1);
  series.values = std::move(cifti.values);
  series.features = std::move(features);
  return series;
}

Cifti cifti_of_series(const Series& series) {
  const FeatureSpace& features = *series.features;
  const auto& models = features.mask.grid.grayordinates;
  const bool parcels = features.kind == FeatureKind::parcels;
  if (models == nullptr || features.kind == FeatureKind::maps ||
      (!parcels && features.mask.size() != models->count())) {
    throw ShapeError(
        "a series is written to CIFTI when its features are all grayordinates of a file, or parcels of "
        "them");
  }
  Cifti cifti;
  cifti.header.kind = parcels ? CiftiKind::ptseries : CiftiKind::dtseries;
  cifti.header.brain_models = models;
  cifti.header.points = series.volumes();
  cifti.header.series.step = series.tr_s;
  cifti.header.series.start = series.start_s;
  if (parcels) cifti.header.parcels = cifti_parcels(features);
  cifti.values = series.values;
  return cifti;
}

}  // namespace noema
