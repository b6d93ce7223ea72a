#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "noema/core/command.h"
#include "noema/core/error.h"
#include "noema/glm/contrast.h"

namespace noema {
namespace {

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
bool is_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return std::isalnum(byte) != 0 || c == '_' || byte >= 0x80;  // bytes of UTF-8 letters
}

/// A sum of columns with weights, or a number (then `weights` is empty).
struct Value {
  Eigen::VectorXd weights;
  double number = 0;

  bool is_number() const { return weights.size() == 0; }
};

/// Reads: sum = product {(+|−) product}; product = factor {(*|/) factor}; factor = [+|−] (number | name | "(" sum ")").
class FormulaParser {
 public:
  FormulaParser(std::string_view formula, const std::vector<std::string>& columns)
      : formula_(formula), columns_(columns) {}

  Eigen::VectorXd parse() {
    const Value value = sum();
    if (place_ < formula_.size()) fail(fmt::format("found '{}' where + − * / or the end should be", rest()));
    if (value.is_number() || value.weights.isZero(0)) fail("it names no column with a weight other than 0");
    if (!value.weights.allFinite()) fail("its weights are not finite");
    return value.weights;
  }

 private:
  Value sum() {
    Value value = product();
    while (true) {
      const double sign = accept('+') ? 1 : accept('-') ? -1 : 0;
      if (sign == 0) return value;
      const Value other = product();
      if (value.is_number() != other.is_number()) fail("a number cannot be added to a column");
      value.number += sign * other.number;
      value.weights += sign * other.weights;
    }
  }

  Value product() {
    Value value = factor();
    while (true) {
      const bool times = accept('*');
      if (!times && !accept('/')) return value;
      const Value other = factor(/*divisor=*/!times);
      if (!other.is_number() && (!times || !value.is_number())) fail("columns cannot be multiplied or divided");
      if (!times) {
        if (other.number == 0) fail("it divides by 0");
        value = scaled(value, 1 / other.number);
      } else {
        value = other.is_number() ? scaled(value, other.number) : scaled(other, value.number);
      }
    }
  }

  static Value scaled(const Value& value, double by) { return {value.weights * by, value.number * by}; }

  Value factor(bool divisor = false) {
    if (const auto number = clear_number(divisor)) return {{}, *number};
    if (const auto column = longest_name()) return unit(*column);
    if (accept('+')) return factor();
    if (accept('-')) return scaled(factor(), -1);
    if (accept('(')) {
      const Value value = sum();
      if (!accept(')')) fail("a parenthesis is not closed");
      return value;
    }
    if (peek() == '\'' || peek() == '"') return quoted();
    if (const auto number = read_number()) return {{}, *number};
    fail_unknown(word());
  }

  /// A number where a column makes no sense: as a divisor, or before a `*`. Elsewhere it may be the name of a column.
  std::optional<double> clear_number(bool divisor) {
    peek();
    const std::size_t before = place_;
    const auto number = read_number();
    if (number && (divisor || peek() == '*')) return number;
    place_ = before;
    return std::nullopt;
  }

  /// The longest column that stands here and does not end inside a word.
  std::optional<std::size_t> longest_name() {
    peek();
    std::optional<std::size_t> best;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const std::string& name = columns_[c];
      if (name.empty() || !rest().starts_with(name)) continue;
      const std::string_view after = rest().substr(name.size());
      if (is_word(name.back()) && !after.empty() && is_word(after.front())) continue;
      if (!best || name.size() > columns_[*best].size()) best = c;
    }
    if (best) place_ += columns_[*best].size();
    return best;
  }

  Value quoted() {
    const char quote = formula_[place_];
    const std::size_t end = formula_.find(quote, place_ + 1);
    if (end == std::string_view::npos) fail("a quotation mark is not closed");
    const std::string name(formula_.substr(place_ + 1, end - place_ - 1));
    place_ = end + 1;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (columns_[c] == name) return unit(c);
    }
    fail_unknown(name);
  }

  std::optional<double> read_number() {
    double number = 0;
    const auto [end, error] = std::from_chars(formula_.data() + place_, formula_.data() + formula_.size(), number);
    const auto length = static_cast<std::size_t>(end - formula_.data()) - place_;
    if (error != std::errc() || length == 0) return std::nullopt;
    const std::string_view after = rest().substr(length);
    if (!after.empty() && is_word(after.front())) return std::nullopt;  // such as "2back"
    place_ += length;
    return number;
  }

  std::string word() {
    std::size_t end = place_;
    while (end < formula_.size() && std::string_view("+*/()").find(formula_[end]) == std::string_view::npos) {
      if (formula_[end] == '-' && (end == place_ || is_space(formula_[end - 1]))) break;
      ++end;
    }
    while (end > place_ && is_space(formula_[end - 1])) --end;
    return std::string(formula_.substr(place_, end - place_));
  }

  Value unit(std::size_t column) const {
    return {Eigen::VectorXd::Unit(std::ssize(columns_), static_cast<Eigen::Index>(column)), 0};
  }

  std::string_view rest() const { return formula_.substr(place_); }
  /// The next character that is not a space, or 0 at the end.
  char peek() {
    while (place_ < formula_.size() && is_space(formula_[place_])) ++place_;
    return place_ < formula_.size() ? formula_[place_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++place_;
    return true;
  }

  [[noreturn]] void fail(const std::string& why) const {
    throw UsageError(fmt::format("the contrast '{}' cannot be read: {}", formula_, why));
  }
  [[noreturn]] void fail_unknown(const std::string& name) const {
    if (name.empty())
      fail(rest().empty() ? "it ends too early" : fmt::format("found '{}' where a name or a number should be", rest()));
    const auto nearest = nearest_match(name, columns_);
    fail(fmt::format("no column is called '{}'{}; there are {}", name,
                     nearest ? fmt::format(" (did you mean '{}'?)", *nearest) : "", fmt::join(columns_, ", ")));
  }

  std::string_view formula_;
  const std::vector<std::string>& columns_;
  std::size_t place_ = 0;
};

/// The formulas between ';' outside quotation marks, a last empty one left out; nothing where there is no ';'.
std::vector<std::string_view> split_rows(std::string_view formula) {
  std::vector<std::string_view> rows;
  char quote = '\0';
  std::size_t begin = 0;
  for (std::size_t place = 0; place < formula.size(); ++place) {
    const char c = formula[place];
    if (quote != '\0') {
      if (c == quote) quote = '\0';
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == ';') {
      rows.push_back(formula.substr(begin, place - begin));
      begin = place + 1;
    }
  }
  const std::string_view last = formula.substr(begin);
  if (!rows.empty() && !std::all_of(last.begin(), last.end(), is_space)) rows.push_back(last);
  return rows;
}

}  // namespace

Eigen::VectorXd parse_contrast(std::string_view formula, const std::vector<std::string>& columns) {
  return FormulaParser(formula, columns).parse();
}

bool is_f_formula(std::string_view formula) { return !split_rows(formula).empty(); }

Eigen::MatrixXd parse_contrast_rows(std::string_view formula, const std::vector<std::string>& columns) {
  std::vector<std::string_view> formulas = split_rows(formula);
  if (formulas.empty()) formulas.push_back(formula);
  Eigen::MatrixXd rows(formulas.size(), columns.size());
  for (std::size_t r = 0; r < formulas.size(); ++r) {
    rows.row(static_cast<Eigen::Index>(r)) = parse_contrast(formulas[r], columns).transpose();
  }
  return rows;
}

}  // namespace noema
