#include "noema/report/decode_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "made_up_report.h"
#include "markup.h"
#include "noema/core/error.h"
#include "noema/report/methods.h"

namespace noema {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::vector<std::string> kLabels{"face",     "house", "cat",   "bottle",
                                       "scissors", "shoe",  "chair", "scrambled pictures"};

/// NOEMA_REPORT_OUT names a folder where pages are left, to be looked at.
void leave_to_look_at(const std::string& html, const std::string& name) {
  if (const char* folder = std::getenv("NOEMA_REPORT_OUT")) std::ofstream(std::string(folder) + "/" + name) << html;
}

// The half slice of a small dataset: every section is there, and the page refers to nothing outside.
TEST(DecodeReport, ShowsEveryPart) {
  const DecodeReport report = made_up_report({40, 20, 1}, 3.5, kLabels);
  const std::string html = decode_report_html(report);
  leave_to_look_at(html, "slice.html");
  expect_sound(html);
  for (const char* section : {"Scores", "Confusion", "Maps", "Agreement", "Faithfulness", "Training", "Data", "Split",
                              "Design", "Methods", "Provenance"})
    EXPECT_THAT(html, HasSubstr("<h2>" + std::string(section) + "</h2>"));
  EXPECT_THAT(html,
              HasSubstr("<span class=\"figure\">0.840</span><span class=\"note\">long-conv, 95% interval 0.780 to "
                        "0.890, SD 0.012 over 3 seeds</span>"));
  EXPECT_THAT(html, HasSubstr("<span class=\"figure\">0.865</span>"));
  EXPECT_THAT(html, HasSubstr("permutation p = 0.005"));
  EXPECT_THAT(html, HasSubstr("<span class=\"figure\">−0.025</span>"));
  EXPECT_THAT(html, HasSubstr("<span class=\"figure\">0.125</span>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"n\">0.812</td><td class=\"n\">0.675</td><td class=\"n\">0.137</td>"));
  EXPECT_THAT(html, HasSubstr("smoothing skips that axis (12 times)"));
  EXPECT_THAT(html, HasSubstr("<strong class=\"head\">14 warnings</strong>"));
  EXPECT_THAT(html, HasSubstr("task = &quot;objectviewing&quot;"));
  EXPECT_THAT(html, HasSubstr("doi:10.1214/aos/1176344552"));
  EXPECT_THAT(html, Not(HasSubstr("arXiv:1706.03825")));  // smooth-gradient was not used for these maps
  EXPECT_THAT(html, HasSubstr("1.76 GiB"));
  EXPECT_EQ(occurrences(html, "class=\"panel\""), 40);
}

TEST(DecodeReport, WholeBrainsStaySmall) {
  const DecodeReport report =
      made_up_report({91, 109, 91}, 2, {"left hand", "right hand", "left foot", "right foot", "tongue", "cue"});
  const std::string html = decode_report_html(report);
  leave_to_look_at(html, "brain.html");
  EXPECT_LT(html.size(), 5u << 20);
  EXPECT_GT(html.size(), 500u << 10);
}

TEST(DecodeReport, ManyLabelsWithLongNames) {
  std::vector<std::string> labels;
  for (int l = 0; l < 21; ++l) labels.push_back("condition with a rather long name " + std::to_string(l + 1));
  DecodeReport report = made_up_report({12, 12, 9}, 3, labels);
  report.models[4].name = "long-conv (two layers, 64 channels, whitened, random crops of 5 to 9 volumes)";
  const std::string html = decode_report_html(report);
  leave_to_look_at(html, "many.html");
  expect_sound(html);
}

// What is absent leaves no heading, no number and no dash.
TEST(DecodeReport, AbsentPartsLeaveNoTrace) {
  const std::string html = decode_report_html({});
  leave_to_look_at(html, "empty.html");
  expect_sound(html);
  EXPECT_THAT(html, Not(HasSubstr("<h2>")));
  EXPECT_THAT(html, Not(HasSubstr("<h3>")));
  EXPECT_THAT(html, Not(HasSubstr("class=\"cards\"")));
  EXPECT_THAT(html, Not(HasSubstr("<nav")));
  EXPECT_THAT(html, Not(HasSubstr("<table")));
  EXPECT_THAT(html, Not(HasSubstr("–")));

  DecodeReport scores_only;
  scores_only.models = {{"ridge", true, 12}};
  const std::string page = decode_report_html(scores_only);
  expect_sound(page);
  EXPECT_THAT(page, HasSubstr("<h2>Scores</h2>"));
  EXPECT_THAT(page, Not(HasSubstr("<h2>Confusion</h2>")));
  EXPECT_THAT(page, Not(HasSubstr("Permutation tests")));
  EXPECT_THAT(page, HasSubstr("<td class=\"n\">–</td>"));  // a score that is not known
}

TEST(DecodeReport, ContrastsOfALinearModel) {
  DecodeReport report;
  report.title = "General linear model of something";
  report.contrasts = {{"places",
                       "scene - face",
                       147,
                       {14.878, 9.5, {30, 69, 17}, {-24, 51, 12}},
                       {-13.729, -9.1, {53, 69, 10}, {22.4, 50, 3}},
                       48751,
                       1234}};
  const std::string html = decode_report_html(report);
  expect_sound(html);
  for (const char* text : {"General linear model of something", "<h2>Contrasts</h2>", "scene - face", ">147<",
                           ">14.88<", ">−13.73<", "-24, 51, 12 mm", "22, 50, 3 mm"})
    EXPECT_THAT(html, HasSubstr(text));
  EXPECT_THAT(html, HasSubstr("places, largest t"));  // stands in for scores at the top
}

TEST(DecodeReport, TextsCannotBreakThePage) {
  DecodeReport report = made_up_report({12, 12, 1}, 3, {"<script>alert(1)</script>", "\"quoted\" & 'so'"});
  report.dataset = "</title><b>";
  report.warnings = {{"<img src=x>", 1}};
  const std::string html = decode_report_html(report);
  EXPECT_EQ(nesting_fault(html), "");
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(html, Not(HasSubstr("</title><b>")));
}

TEST(DecodeReport, RefusesPartsThatDoNotFit) {
  DecodeReport report = made_up_report({12, 12, 1}, 3, {"a", "b"});
  report.labels.push_back("c");
  EXPECT_THROW(decode_report_html(report), ShapeError);
  report = made_up_report({12, 12, 1}, 3, {"a", "b"});
  report.maps[0].image = made_up_image({12, 13, 1}, 3, 0);
  EXPECT_THROW(decode_report_html(report), ShapeError);
}

TEST(Methods, CiteOnlyWhatIsThere) {
  EXPECT_THAT(model_sentence("ridge (all voxels)"), HasSubstr("L2 penalty"));
  EXPECT_EQ(model_sentence("unheard-of"), "");
  const std::vector<std::string> references = references_in("Intervals [Efron 1979] and [Nobody 2000].");
  ASSERT_EQ(references.size(), 1u);
  EXPECT_THAT(references[0], HasSubstr("Bootstrap methods"));
}

}  // namespace
}  // namespace noema
