#include <fmt/format.h>

#include "noema/report/connectome_plots.h"
#include "noema/report/decode_sections.h"

namespace noema {

std::string connectome_section(const DecodeReport& report) {
  std::string out;
  for (const ConnectomeFigure& figure : report.connectomes) {
    out += html_heading(figure.title);
    out += html_figure(connectivity_plot(figure), "",
                       "Colours end at the 99.5th percentile of the values off the diagonal; blue is below zero.");
    out += html_figure(glass_brain(figure, report.mean_image.get()), "",
                       fmt::format("The {} strongest edges (orange above zero, blue below) between the centres of the "
                                   "regions; dots grow with what their edges add up to.",
                                   GlassBrainOptions().edges));
  }
  return out;
}

}  // namespace noema
