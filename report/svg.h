// report/svg: a small writer of SVG elements, and numbers and texts as reports show them.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace noema {

/// Stands for a number that is not known; shown as "–".
inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

/// Text made safe for elements and attributes of HTML and SVG: the five special characters are escaped, control
/// characters dropped, bytes that are no UTF-8 replaced by U+FFFD.
std::string escape_markup(std::string_view text);

/// For people: fixed decimals with a true minus sign; "–" unless finite.
std::string format_number(double value, int decimals = 3);
/// A p value: three decimals, "< 0.001" below that; "–" unless finite.
std::string format_p(double p);
/// For machines: at most two decimals, no trailing zeros. Not finite: 0, so that a picture stays readable.
std::string coordinate(double value);
/// Whole numbers with thin spaces between thousands.
std::string format_count(std::int64_t value);

/// About how wide `text` is in a sans-serif type, on the safe side, in the units of `size`.
double text_width(std::string_view text, double size);
/// `text` if it is at most `width` wide, else its beginning, "…" and its end.
std::string shorten_text(std::string_view text, double size, double width);

/// An SVG picture under construction. Colours come from the classes of the page's style sheet (`report/style`), so one
/// picture serves light and dark pages and paper: `c0` … `c7` set the colour of what is drawn with `line`, `dot`,
/// `band`.
class SvgWriter {
 public:
  /// `title` and `description` are read aloud instead of the picture.
  SvgWriter(double width, double height, std::string_view title, std::string_view description);

  void line(double x1, double y1, double x2, double y2, std::string_view style);
  /// `tip` shows when the pointer rests on it.
  void circle(double x, double y, double radius, std::string_view style, std::string_view tip = {});
  void rectangle(double x, double y, double width, double height, std::string_view style, double opacity = 1,
                 std::string_view tip = {});
  /// `anchor`: "start", "middle" or "end". Turned about its anchor by `turn` degrees, clockwise.
  void text(double x, double y, std::string_view text, std::string_view style, std::string_view anchor = "start",
            double turn = 0);
  /// A line through points; points that are not finite interrupt it.
  void path(const std::vector<double>& x, const std::vector<double>& y, std::string_view style);
  /// The area between two lines over the same x; only where all are finite.
  void band(const std::vector<double>& x, const std::vector<double>& low, const std::vector<double>& high,
            std::string_view style);
  /// A raster picture from a data URI, stretched to the box, its pixels kept sharp.
  void image(double x, double y, double width, double height, std::string_view data_uri);

  double width() const { return width_; }
  double height() const { return height_; }
  /// The picture.
  std::string finish() const { return body_ + "</svg>"; }

 private:
  double width_;
  double height_;
  std::string body_;
};

}  // namespace noema
