#include "comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <limits>
#include <numeric>

#include "noema/io/atomic_file.h"
#include "noema/learn/torch_settings.h"
#include "noema/report/plots.h"
#include "noema/report/style.h"

namespace noema {

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

void print_comparison(std::string_view title, const std::vector<ComparisonRow>& rows) {
  fmt::print("{}\n", title);
  for (const ComparisonRow& row : rows) {
    fmt::print("  {:<52}", row.method);
    for (const double value : row.values) fmt::print(" {:.4f}", value);
    fmt::print("  mean {:.4f}\n", mean_of(row.values));
  }
  std::fflush(stdout);
}

std::string comparison_plot(std::string_view title, std::string_view measure, const std::vector<ComparisonRow>& rows) {
  ScorePlotOptions options{
      .title = std::string(title), .x_label = std::string(measure), .low = 0, .high = 0, .dot_name = "data set"};
  options.low = std::numeric_limits<double>::infinity();
  std::vector<ScoreRow> scores;
  for (const ComparisonRow& row : rows) {
    const auto [least, most] = std::minmax_element(row.values.begin(), row.values.end());
    options.low = std::min(options.low, *least);
    options.high = std::max(options.high, *most);
    scores.push_back({.name = row.method,
                      .value = mean_of(row.values),
                      .dots = row.values,
                      .color = static_cast<int>(scores.size() % 8)});
  }
  return score_plot(scores, options);
}

void write_figure(const std::filesystem::path& path, const std::vector<std::string>& pictures) {
  double width = 0, height = 0;
  std::string body;
  for (const std::string& picture : pictures) {
    double own_width = 0, own_height = 0;
    const std::size_t box = picture.find("viewBox=\"0 0 ");
    if (box != std::string::npos) std::sscanf(picture.c_str() + box, "viewBox=\"0 0 %lf %lf", &own_width, &own_height);
    std::string placed = picture;
    placed.replace(placed.find("<svg"), 4, fmt::format("<svg y=\"{}\"", coordinate(height)));
    body += placed;
    width = std::max(width, own_width);
    height += own_height + 12;
  }
  AtomicFile file(path);
  file.write(
      fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\">"
                  "<style>{2}</style>{3}</svg>\n",
                  coordinate(width), coordinate(height), style_sheet(), body));
  file.commit();
}

int run_example(int argc, char** argv, const std::function<void(const std::filesystem::path& folder)>& body) {
  if (argc > 2) {
    fmt::print(stderr, "usage: {} [FOLDER]   (writes its picture there)\n", argv[0]);
    return 2;
  }
  try {
    use_torch_settings();
    body(argc == 2 ? argv[1] : ".");
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}

}  // namespace noema
