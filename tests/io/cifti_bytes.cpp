#include "noema/tests/io/cifti_bytes.h"

#include "noema/tests/io/nifti_bytes.h"

namespace noema {

std::string cifti_xml(const std::string& maps) {
  return R"(<?xml version="1.0" encoding="UTF-8"?><CIFTI Version="2"><Matrix>)" + maps + "</Matrix></CIFTI>";
}

std::string cifti_bytes(const CiftiParts& parts) {
  NiftiBytes bytes(2, parts.big_endian);
  bytes.shape({1, 1, 1, 1, parts.points, parts.places}).put<std::int32_t>(504, parts.intent).type(16, 32);
  bytes.put<std::uint8_t>(540, 1);
  const std::size_t size = (8 + parts.xml.size() + 15) / 16 * 16;
  bytes.add(static_cast<std::int32_t>(size)).add(static_cast<std::int32_t>(parts.extension)).add_text(parts.xml);
  bytes.add_text(std::string(size - 8 - parts.xml.size(), '\0'));
  bytes.set_offset(static_cast<std::int64_t>(bytes.str().size()));
  return bytes.add_all(parts.values).str();
}

CiftiParts small_dtseries() {
  CiftiParts parts{cifti_xml(kSeriesMap + kModelsMap), 4, 5, 3002, {}};
  for (int g = 0; g < 5; ++g) {
    for (int t = 0; t < 4; ++t) parts.values.push_back(static_cast<float>(10 * g + t));
  }
  return parts;
}

}  // namespace noema
