// examples/comparison: what the examples share: rows of figures, printed and drawn, and the frame of a program.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace noema {

/// A method and its figure on each data set.
struct ComparisonRow {
  std::string method;
  std::vector<double> values;
};

double mean_of(const std::vector<double>& values);

/// Prints "method  value value …  mean value", a row each, under a title.
void print_comparison(std::string_view title, const std::vector<ComparisonRow>& rows);

/// A dot for each value and the mean of each row, as SVG.
std::string comparison_plot(std::string_view title, std::string_view measure, const std::vector<ComparisonRow>& rows);

/// Writes pictures below one another into one SVG file that stands alone. @throws IoError
void write_figure(const std::filesystem::path& path, const std::vector<std::string>& pictures);

/// Runs a program that writes into the folder of its one argument (none: the current one): exit status 0, or 1 with the
/// error on stderr, 2 for other arguments.
int run_example(int argc, char** argv, const std::function<void(const std::filesystem::path& folder)>& body);

}  // namespace noema
