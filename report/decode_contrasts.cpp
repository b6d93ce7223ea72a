#include <fmt/format.h>

#include <cmath>

#include "noema/report/decode_sections.h"

namespace noema {
namespace {

std::string place(const ContrastPeak& peak) {
  if (!std::isfinite(peak.ras_mm[0])) return "–";  // a vertex, which only a mesh places
  const auto whole = [](double mm) { return static_cast<long>(std::lround(mm)); };
  return fmt::format("{}, {}, {} mm", whole(peak.ras_mm[0]), whole(peak.ras_mm[1]), whole(peak.ras_mm[2]));
}

}  // namespace

std::string contrasts_section(const DecodeReport& report) {
  if (report.contrasts.empty()) return {};
  HtmlTable table;
  table.columns = {{"Contrast"},
                   {"Formula"},
                   {"df", true},
                   {"Largest t", true},
                   {"z", true},
                   {"At"},
                   {"Smallest t", true},
                   {"z", true},
                   {"At"},
                   {"Voxels with |z| > 3.1", true}};
  for (const ContrastRow& row : report.contrasts) {
    table.rows.push_back({row.name, row.formula, format_number(row.df, 0), format_number(row.max.t, 2),
                          format_number(row.max.z, 2), place(row.max), format_number(row.min.t, 2),
                          format_number(row.min.z, 2), place(row.min),
                          fmt::format("{} of {}", format_count(row.voxels_above), format_count(row.voxels))});
  }
  return html_paragraph(
             "t is the effect over its standard error, z the normal value of the same tail probability. Neither is "
             "corrected for the number of voxels; the count above 3.1 is a description, not a test. Places are RAS "
             "millimetres.") +
         html_table(table);
}

}  // namespace noema
