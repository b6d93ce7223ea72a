#include "noema/report/matrix_plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/report/axes.h"
#include "noema/report/colors.h"
#include "noema/report/png.h"
#include "noema/report/svg.h"

namespace noema {
namespace {

constexpr double kLongestLabel = 170;
/// How high the label above a column reaches: slanted upwards to the right.
constexpr double kSlant = -48;

double widest(const std::vector<std::string>& labels, double size) {
  double width = 0;
  for (const std::string& label : labels) width = std::max(width, text_width(label, size));
  return std::min(width, kLongestLabel);
}

double rise(double width) { return width * std::sin(-kSlant * std::acos(-1.0) / 180) + 12; }
double reach(double width) { return width * std::cos(-kSlant * std::acos(-1.0) / 180); }

/// Cells as large as half a page allows, so that two matrices stand side by side; but large enough for their counts.
double cell_size(std::size_t labels, double space) {
  constexpr double kHalfPage = 524;
  return std::clamp(std::floor((kHalfPage - space) / static_cast<double>(labels)), 27.0, 62.0);
}

void draw_cell(SvgWriter& svg, double x, double y, double cell, int count, double share, const std::string& tip) {
  svg.rectangle(x + 0.5, y + 0.5, cell - 1, cell - 1, "cell", 1);
  svg.rectangle(x + 0.5, y + 0.5, cell - 1, cell - 1, "heat", 0.92 * share, tip);
  if (count == 0) return;
  const std::string style = share > 0.5 ? "count light" : "count";
  if (cell >= 36) {
    svg.text(x + cell / 2, y + cell / 2 + 1, fmt::format("{}", count), style, "middle");
    svg.text(x + cell / 2, y + cell / 2 + 15, fmt::format("{:.0f}%", 100 * share), style + " tiny", "middle");
  } else {
    svg.text(x + cell / 2, y + cell / 2 + 4, fmt::format("{}", count), style + " tiny", "middle");
  }
}

}  // namespace

std::string confusion_plot(const Eigen::MatrixXi& counts, const std::vector<std::string>& labels,
                           std::string_view title) {
  const std::size_t classes = labels.size();
  if (classes == 0 || counts.rows() != static_cast<Eigen::Index>(classes) || counts.cols() != counts.rows())
    throw ShapeError(fmt::format("a confusion matrix is {}×{} for {} labels", counts.rows(), counts.cols(), classes));
  const double label_width = widest(labels, 11.5);
  const double cell = cell_size(classes, label_width + 34 + std::max(16.0, reach(label_width) - 15));
  const double left = label_width + 34, top = rise(label_width) + 22, side = cell * static_cast<double>(classes);
  SvgWriter svg(left + side + std::max(16.0, reach(label_width) - cell / 2), top + side + 10, title,
                "Rows are the true labels, columns the predicted ones.");
  svg.text(left, 14, "predicted label", "label strong");
  svg.text(14, top + side / 2, "true label", "label strong", "middle", -90);
  for (std::size_t truth = 0; truth < classes; ++truth) {
    const auto row = counts.row(static_cast<Eigen::Index>(truth));
    const int total = row.sum();
    const double y = top + cell * static_cast<double>(truth);
    svg.text(left - 8, y + cell / 2 + 4, shorten_text(labels[truth], 11.5, kLongestLabel), "tick dark", "end");
    svg.text(left + cell * (static_cast<double>(truth) + 0.5), top - 6,
             shorten_text(labels[truth], 11.5, kLongestLabel), "tick dark", "start", kSlant);
    for (std::size_t guess = 0; guess < classes; ++guess) {
      const int count = row[static_cast<Eigen::Index>(guess)];
      const double share = total > 0 ? static_cast<double>(count) / total : 0;
      draw_cell(svg, left + cell * static_cast<double>(guess), y, cell, count, share,
                fmt::format("{} taken for {}: {} of {}", labels[truth], labels[guess], count, total));
    }
  }
  return svg.finish();
}

std::string design_plot(const Eigen::MatrixXd& design, const std::vector<std::string>& names, std::string_view title) {
  if (design.size() == 0 || design.cols() != static_cast<Eigen::Index>(names.size()))
    throw ShapeError(fmt::format("a design of {}×{} has {} names", design.rows(), design.cols(), names.size()));
  IndexedPicture picture{static_cast<int>(design.cols()), static_cast<int>(design.rows()), {}, grey_levels(256)};
  picture.pixels.resize(static_cast<std::size_t>(design.size()));
  for (int column = 0; column < picture.width; ++column) {
    Range range;
    for (int scan = 0; scan < picture.height; ++scan) range.add(std::abs(design(scan, column)));
    const double largest = range.empty() || range.high == 0 ? 1 : range.high;
    for (int scan = 0; scan < picture.height; ++scan) {
      const double value = std::isfinite(design(scan, column)) ? design(scan, column) / largest : 0;
      picture.at(column, scan) = static_cast<std::uint8_t>(std::lround(127.5 + 127.5 * value));
    }
  }

  const double cell = std::clamp(640.0 / picture.width, 13.0, 32.0);
  const double label_width = widest(names, 11);
  const double height = std::clamp(picture.height * 2.0, 180.0, 380.0);
  const Frame frame{54, rise(label_width) + 8, 54 + cell * picture.width, rise(label_width) + 8 + height};
  SvgWriter svg(frame.right + std::max(16.0, reach(label_width) - cell / 2), frame.bottom + 12, title,
                "Scans from top to bottom, regressors from left to right.");
  const Scale y{0, static_cast<double>(picture.height), frame.top, frame.bottom};
  std::vector<double> ticks;
  for (const double tick : nice_ticks(0, picture.height, 5))
    if (tick <= picture.height) ticks.push_back(tick);
  draw_y_axis(svg, frame, y, ticks, "scan");
  svg.image(frame.left, frame.top, frame.right - frame.left, height, png_data_uri(picture));
  svg.rectangle(frame.left, frame.top, frame.right - frame.left, height, "border");
  for (std::size_t column = 0; column < names.size(); ++column)
    svg.text(frame.left + cell * (static_cast<double>(column) + 0.5) + 3, frame.top - 6,
             shorten_text(names[column], 11, kLongestLabel), "tick dark", "start", kSlant);
  return svg.finish();
}

}  // namespace noema
