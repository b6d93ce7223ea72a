#include "noema/report/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "markup.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Html, TablesAlignFiguresAndEscape) {
  const std::string html = html_table({"a & b", {{"Model"}, {"Score", true}}, {{"<ridge>", "0.5"}, {"x", "–"}}, {1}});
  EXPECT_THAT(html, HasSubstr("<caption>a &amp; b</caption>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"col\">Model</th><th scope=\"col\" class=\"n\">Score</th>"));
  EXPECT_THAT(html, HasSubstr("<tr><td>&lt;ridge&gt;</td><td class=\"n\">0.5</td></tr>"));
  EXPECT_THAT(html, HasSubstr("<tr class=\"strong\"><td>x</td>"));
  expect_sound(html);
  EXPECT_THROW(html_table({"", {{"a"}}, {{"1", "2"}}}), ShapeError);
}

TEST(Html, ProseLinksDoisOnly) {
  EXPECT_EQ(html_paragraph("See doi:10.1000/a_b(3). And http: no"),
            "<p>See <a href=\"https://doi.org/10.1000/a_b(3)\">doi:10.1000/a_b(3)</a>. And http: no</p>\n");
  EXPECT_EQ(html_paragraph("(doi:10.1/x), more"), "<p>(<a href=\"https://doi.org/10.1/x\">doi:10.1/x</a>), more</p>\n");
  EXPECT_THAT(html_paragraph("doi:10.1/<script>"), Not(HasSubstr("<script")));
}

TEST(Html, NothingGivesNothing) {
  EXPECT_EQ(html_table({"caption", {{"a"}}, {}}), "");
  EXPECT_EQ(html_paragraph(""), "");
  EXPECT_EQ(html_list({}), "");
  EXPECT_EQ(html_figure("", "caption"), "");
  EXPECT_EQ(html_columns({"", ""}), "");
  EXPECT_EQ(html_details("more", ""), "");
  EXPECT_EQ(html_code(""), "");
  EXPECT_EQ(html_notice(Notice::warning, "title", ""), "");
}

TEST(Html, PagesLeaveOutEmptySections) {
  HtmlPage page;
  page.title = "Decoding of <x>";
  page.sections = {{"First & part", html_paragraph("text")}, {"Empty", ""}};
  page.cards = {{"label", "0.5", "note"}};
  const std::string html = html_page(page);
  EXPECT_TRUE(html.starts_with("<!DOCTYPE html>"));
  EXPECT_THAT(html, HasSubstr("<title>Decoding of &lt;x&gt;</title>"));
  EXPECT_THAT(html, HasSubstr("<a href=\"#first-part\">First &amp; part</a>"));
  EXPECT_THAT(html, HasSubstr("<section id=\"first-part\">"));
  EXPECT_THAT(html, Not(HasSubstr("Empty")));
  expect_sound(html);
}

}  // namespace
}  // namespace noema
