#include "noema/report/plots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "markup.h"
#include "noema/core/error.h"
#include "noema/report/axes.h"
#include "noema/report/connectome_plots.h"
#include "noema/report/matrix_plots.h"

namespace noema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(NiceTicks, AreRoundAndCoverTheData) {
  EXPECT_THAT(nice_ticks(0, 1), ElementsAre(0, 0.2, testing::DoubleNear(0.4, 1e-12), testing::DoubleNear(0.6, 1e-12),
                                            testing::DoubleNear(0.8, 1e-12), 1));
  for (const auto& [low, high] :
       {std::pair{0.13, 0.87}, {-3.2, 17.1}, {1e-7, 3e-7}, {-5e6, 2e7}, {0.0, 0.7}, {99.999, 100.001}}) {
    const std::vector<double> ticks = nice_ticks(low, high);
    const double step = ticks[1] - ticks[0];
    EXPECT_LE(ticks.front(), low + 1e-6 * step);
    EXPECT_GE(ticks.back(), high - 1e-6 * step);
    EXPECT_GT(ticks.front(), low - 1.001 * step);
    EXPECT_LT(ticks.back(), high + 1.001 * step);
    EXPECT_GE(ticks.size(), 4u);
    EXPECT_LE(ticks.size(), 10u);
  }
}

TEST(NiceTicks, WithoutARange) {
  const std::vector<double> one = nice_ticks(3, 3);
  EXPECT_LE(one.front(), 3);
  EXPECT_GE(one.back(), 3);
  EXPECT_GE(nice_ticks(kMissing, kMissing).size(), 2u);
}

TEST(TickLabel, HasTheDigitsOfItsStep) {
  EXPECT_EQ(tick_label(0.4, 0.2), "0.4");
  EXPECT_EQ(tick_label(0.25, 0.05), "0.25");
  EXPECT_EQ(tick_label(-20, 10), "−20");
  EXPECT_EQ(tick_label(3e7, 1e7), "3e+07");
}

TEST(CurvePlot, PutsPointsWhereTheAxesSay) {
  CurvePlotOptions options;
  options.title = "loss";
  options.width = 300;
  options.height = 200;
  const std::string svg = curve_plot({{"", {0, 10}, {0, 1}, {}, {}, 0}}, options);
  // From the lower left corner of the frame to its upper right one.
  EXPECT_THAT(svg, testing::ContainsRegex("<path d=\"M[0-9.]+ 154L284 12\" class=\"line c0\"/>"));
  expect_sound(svg);
}

TEST(CurvePlot, NamesEachCurveOnce) {
  CurvePlotOptions options;
  options.reference = 0.5;
  options.reference_label = "chance";
  const std::string svg = curve_plot({{"folds <1>", {1, 2}, {0.1, 0.2}, {}, {}, 0, true},
                                      {"folds <1>", {1, 2}, {0.3, kMissing}, {}, {}, 0, true},
                                      {"mean", {1, 2}, {0.2, 0.2}, {0.1, 0.1}, {0.3, 0.3}}},
                                     options);
  EXPECT_EQ(occurrences(svg, "folds &lt;1&gt;</text>"), 1);
  EXPECT_EQ(occurrences(svg, "class=\"legend\""), 2);
  EXPECT_EQ(occurrences(svg, "class=\"band"), 1);
  EXPECT_EQ(occurrences(svg, "chance</text>"), 1);
  expect_sound(svg);
}

TEST(CurvePlot, WithoutPointsThereIsNoPlot) {
  EXPECT_EQ(curve_plot({}, {}), "");
  EXPECT_EQ(curve_plot({{"a", {kMissing}, {kMissing}}}, {}), "");
  EXPECT_NE(curve_plot({{"a", {3}, {4}}}, {}), "");
}

TEST(ScorePlot, DrawsEveryPart) {
  ScorePlotOptions options;
  options.chance = 0.25;
  const std::string svg = score_plot(
      {{"ridge", 0.5, 0.4, 0.6, {0.45, 0.55}, 6}, {"long-conv", kMissing, kMissing, kMissing, {}, 0}}, options);
  EXPECT_EQ(occurrences(svg, "class=\"whisker"), 1);
  EXPECT_EQ(occurrences(svg, "class=\"dot small"), 2);
  EXPECT_THAT(svg, HasSubstr("ridge: 0.500 [0.400, 0.600]"));
  EXPECT_THAT(svg, HasSubstr("chance 0.250"));
  EXPECT_THAT(svg, HasSubstr("fold 2: 0.550"));
  EXPECT_THAT(svg, HasSubstr("class=\"value\">–</text>"));
  expect_sound(svg);
  EXPECT_EQ(score_plot({}, options), "");
}

TEST(NullHistogram, CountsAllValues) {
  std::vector<double> null;
  for (int i = 0; i < 200; ++i) null.push_back(0.1 + 0.001 * i);
  null.push_back(kMissing);
  const std::string svg = null_histogram(null, 0.8, {});
  int total = 0;
  for (std::size_t at = svg.find(" to "); at != std::string::npos; at = svg.find(" to ", at + 1))
    total += std::stoi(svg.substr(svg.find(": ", at) + 2));
  EXPECT_EQ(total, 200);
  EXPECT_THAT(svg, HasSubstr("observed 0.800"));
  expect_sound(svg);
  EXPECT_EQ(null_histogram({}, 0.8, {}), "");
}

TEST(ConfusionPlot, ColoursByTheShareOfTheRow) {
  Eigen::MatrixXi counts(2, 2);
  counts << 3, 1, 0, 0;
  const std::string svg = confusion_plot(counts, {"face", "house & garden"}, "c");
  EXPECT_THAT(svg, HasSubstr("face taken for face: 3 of 4"));
  EXPECT_THAT(svg, HasSubstr("face taken for house &amp; garden: 1 of 4"));
  EXPECT_THAT(svg, HasSubstr("fill-opacity=\"0.69\""));  // 0.92 · 3/4
  EXPECT_THAT(svg, HasSubstr("75%"));
  EXPECT_THAT(svg, HasSubstr("house &amp; garden taken for face: 0 of 0"));
  expect_sound(svg);
  EXPECT_THROW(confusion_plot(counts, {"one"}, "c"), ShapeError);
}

ConnectomeFigure three_regions() {
  ConnectomeFigure figure{"correlation", {"left", "right", "nowhere"}, Eigen::MatrixXd::Identity(3, 3), {}};
  figure.values(0, 1) = figure.values(1, 0) = -0.5;
  figure.values(0, 2) = figure.values(2, 0) = 0.9;
  figure.ras_mm = {{-30, 0, 10}, {30, 20, 10}, {kMissing, kMissing, kMissing}};
  return figure;
}

TEST(ConnectivityPlot, NamesItsRegions) {
  const std::string svg = connectivity_plot(three_regions());
  for (const char* name : {">left</text>", ">right</text>", ">nowhere</text>", "data:image/png;base64,", ">0.9"}) {
    EXPECT_THAT(svg, HasSubstr(name));
  }
  expect_sound(svg);
  ConnectomeFigure large{"large", std::vector<std::string>(61, "region"), Eigen::MatrixXd::Zero(61, 61), {}};
  EXPECT_THAT(connectivity_plot(large), Not(HasSubstr(">region</text>")));
  large.names.pop_back();
  EXPECT_THROW(connectivity_plot(large), ShapeError);
}

TEST(GlassBrain, DrawsEdgesOfRegionsThatHaveAPlace) {
  const auto count = [](const std::string& svg, std::string_view what) {
    int found = 0;
    for (std::size_t at = svg.find(what); at != std::string::npos; at = svg.find(what, at + 1)) ++found;
    return found;
  };
  ConnectomeFigure figure = three_regions();
  Image brain;
  brain.header.grid.shape = {9, 9, 3};
  brain.header.grid.ras_from_voxel.diagonal() << 10, 10, 10, 1;
  brain.header.grid.ras_from_voxel.col(3) << -40, -40, 0, 1;
  brain.values.assign(243, 1);
  const std::string svg = glass_brain(figure, &brain);
  EXPECT_EQ(count(svg, "class=\"edge c0 w3\""), 3);  // one edge below zero, three views; none to a region without place
  EXPECT_EQ(count(svg, "class=\"edge"), 3);
  EXPECT_EQ(count(svg, "<circle"), 6);
  EXPECT_EQ(count(svg, "class=\"glass\""), 3);
  expect_sound(svg);
  EXPECT_EQ(count(glass_brain(figure, nullptr), "class=\"glass\""), 0);
  figure.ras_mm[1][0] = kMissing;
  EXPECT_EQ(glass_brain(figure, &brain), "");
  figure.ras_mm.pop_back();
  EXPECT_THROW(glass_brain(figure, &brain), ShapeError);
}

TEST(DesignPlot, HasOneNameForEachColumn) {
  Eigen::MatrixXd design(4, 2);
  design << 0, 1, 2, 1, -1, 1, 0, kMissing;
  const std::string svg = design_plot(design, {"face", "constant"}, "d");
  EXPECT_THAT(svg, HasSubstr(">face</text>"));
  EXPECT_THAT(svg, HasSubstr("data:image/png;base64,"));
  expect_sound(svg);
  EXPECT_THROW(design_plot(design, {"face"}, "d"), ShapeError);
}

}  // namespace
}  // namespace noema
