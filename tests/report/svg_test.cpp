#include "noema/report/svg.h"

#include <gtest/gtest.h>

#include <limits>

#include "markup.h"

namespace noema {
namespace {

TEST(EscapeMarkup, KeepsTextAndDisarmsTheRest) {
  EXPECT_EQ(escape_markup("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  EXPECT_EQ(escape_markup("Größe ≥ 1 🧠"), "Größe ≥ 1 🧠");
  EXPECT_EQ(escape_markup(std::string("a\0b\x1b[31m\nc", 10)), "ab[31m\nc");
}

// A page with bytes that are no UTF-8 would not be readable: Latin-1, a cut character, an overlong slash, a surrogate.
TEST(EscapeMarkup, ReplacesWhatIsNoUtf8) {
  const std::string replaced = "\xEF\xBF\xBD";
  EXPECT_EQ(escape_markup("M\xFCller"), "M" + replaced + "ller");
  EXPECT_EQ(escape_markup("x\xE2\x89"), "x" + replaced + replaced);
  EXPECT_EQ(escape_markup("\xC0\xAF"), replaced + replaced);
  EXPECT_EQ(escape_markup("\xED\xA0\x80"), replaced + replaced + replaced);
}

TEST(FormatNumber, ForPeople) {
  EXPECT_EQ(format_number(0.12345), "0.123");
  EXPECT_EQ(format_number(-2.5, 1), "−2.5");
  EXPECT_EQ(format_number(-0.0004), "0.000");
  EXPECT_EQ(format_number(kMissing), "–");
  EXPECT_EQ(format_number(std::numeric_limits<double>::infinity()), "–");
  EXPECT_EQ(format_p(0.0004), "< 0.001");
  EXPECT_EQ(format_p(0.005), "0.005");
  EXPECT_EQ(format_p(kMissing), "–");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1234567), "1 234 567");
  EXPECT_EQ(format_count(-1000), "−1 000");
}

TEST(Coordinate, IsShort) {
  EXPECT_EQ(coordinate(10), "10");
  EXPECT_EQ(coordinate(1.25), "1.25");
  EXPECT_EQ(coordinate(-0.001), "0");
  EXPECT_EQ(coordinate(100), "100");
  EXPECT_EQ(coordinate(kMissing), "0");
}

TEST(ShortenText, KeepsWholeCharactersWithinTheWidth) {
  EXPECT_EQ(shorten_text("face", 10, 100), "face");
  EXPECT_EQ(shorten_text("condition with a long name 12", 10, 70), "conditio… 12");
  const std::string cut = shorten_text("ääääääääääääää", 10, 50);
  EXPECT_NE(cut.find("ä…ä"), std::string::npos);
  EXPECT_EQ(escape_markup(cut), cut);  // no character was cut in two
  EXPECT_LE(text_width(cut, 10), 50);
  EXPECT_GT(text_width(cut, 10), 30);
}

TEST(SvgWriter, WritesWhatItIsAsked) {
  SvgWriter svg(100, 50, "A & B", "what <it> shows");
  svg.line(0, 1, 2.5, 3, "axis");
  svg.circle(1, 2, 3, "dot c0", "tip \"1\"");
  svg.rectangle(0, 0, 10, -1, "heat", 0.5);
  svg.text(5, 6, "a<b", "tick", "middle", -90);
  svg.path({0, 1, 2, 3}, {1, kMissing, 2, 4}, "line c1");
  svg.band({0, 1}, {0, 1}, {2, 3}, "band c1");
  const std::string text = svg.finish();
  EXPECT_EQ(text,
            "<svg role=\"img\" aria-label=\"A &amp; B\" viewBox=\"0 0 100 50\" width=\"100\" height=\"50\">"
            "<desc>what &lt;it&gt; shows</desc>"
            "<line x1=\"0\" y1=\"1\" x2=\"2.5\" y2=\"3\" class=\"axis\"/>"
            "<circle cx=\"1\" cy=\"2\" r=\"3\" class=\"dot c0\"><title>tip &quot;1&quot;</title></circle>"
            "<rect x=\"0\" y=\"0\" width=\"10\" height=\"0\" class=\"heat\" fill-opacity=\"0.5\"/>"
            "<text x=\"5\" y=\"6\" class=\"tick\" text-anchor=\"middle\" transform=\"rotate(-90 5 6)\">a&lt;b</text>"
            "<path d=\"M0 1M2 2L3 4\" class=\"line c1\"/>"
            "<path d=\"M0 2L1 3L1 1L0 0Z\" class=\"band c1\"/></svg>");
  expect_sound(text);
}

}  // namespace
}  // namespace noema
