#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "noema/core/error.h"
#include "noema/preprocess/confound_formula.h"

namespace noema {
namespace {

using Kind = FormulaNode::Kind;

constexpr int kLargestOrder = 20;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '*'; }

/// Recursive descent; each function takes its part of the text from `at_` on.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  FormulaNode whole() {
    FormulaNode node = sum();
    if (at_ < text_.size()) fail("+ or the end");
    return node;
  }

 private:
  [[noreturn]] void fail(std::string_view expected) const {
    throw UsageError(fmt::format("confounds formula '{}': at '{}' (character {}) expected {}", text_,
                                 at_ < text_.size() ? text_.substr(at_, 12) : "the end", at_ + 1, expected));
  }
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool sees(std::string_view word) {
    skip();
    return text_.substr(at_).starts_with(word);
  }
  bool take(std::string_view word) {
    if (!sees(word)) return false;
    at_ += word.size();
    skip();
    return true;
  }
  void need(std::string_view word) {
    if (!take(word)) fail(word);
  }
  int whole_number() {
    skip();
    int value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc() || value < 0 || value > kLargestOrder) {
      fail(fmt::format("a whole number of at most {}", kLargestOrder));
    }
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }
  double decimal() {
    skip();
    double value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc() || !std::isfinite(value)) fail("a number");
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }

  FormulaNode sum() {
    FormulaNode node{Kind::sum};
    do node.parts.push_back(power());
    while (take("+"));
    return node;
  }
  FormulaNode power() {
    FormulaNode node = primary();
    while (sees("^"))
      node = FormulaNode{Kind::powers, {}, take("^^") ? up_to(1) : (need("^"), orders()), 0, {}, {node}};
    return node;
  }
  /// "2", "1-2" or "{0,2}".
  std::vector<int> orders() {
    if (take("{")) {
      std::vector<int> list;
      do list.push_back(whole_number());
      while (take(","));
      need("}");
      return list;
    }
    const int first = whole_number();
    return take("-") ? from(first, whole_number()) : std::vector<int>{first};
  }
  std::vector<int> up_to(int first) { return from(first, whole_number()); }
  std::vector<int> from(int first, int last) const {
    if (last < first) fail(fmt::format("a number before it that is at least {}", first));
    std::vector<int> list;
    for (int order = first; order <= last; ++order) list.push_back(order);
    return list;
  }

  /// Is there a d or dd, and a number or set, so that it is no name?
  bool sees_differences() {
    skip();
    std::string_view rest = text_.substr(at_);
    if (!rest.starts_with('d')) return false;
    rest.remove_prefix(rest.starts_with("dd") ? 2 : 1);
    return !rest.empty() && (is_digit(rest[0]) || rest[0] == '{');
  }
  std::vector<FormulaNode> in_parentheses() {
    need("(");
    FormulaNode inner = sum();
    need(")");
    return {inner};
  }
  FormulaNode primary() {
    if (sees("(")) return in_parentheses().front();
    if (sees_differences()) {
      const std::vector<int> list = take("dd") ? up_to(0) : (need("d"), orders());
      return {Kind::differences, {}, list, 0, {}, in_parentheses()};
    }
    if (take("1_[")) return comparison();
    if (take("[OR]")) return {Kind::any, {}, {}, 0, {}, in_parentheses()};
    if (take("[AND]")) return {Kind::all, {}, {}, 0, {}, in_parentheses()};
    if (take("[NOT]")) return {Kind::negate, {}, {}, 0, {}, in_parentheses()};
    if (take("[SCATTER]")) return {Kind::spikes, {}, {}, 0, {}, in_parentheses()};
    if (take("n_{{")) return components(Kind::first_of);
    if (take("v_{{")) return components(Kind::variance_of);
    return name();
  }
  FormulaNode comparison() {
    for (const char* sign : {">=", "<=", "==", "!=", ">", "<"}) {
      if (!take(sign)) continue;
      const double number = decimal();
      need("]");
      return {Kind::compare, sign, {}, number, {}, in_parentheses()};
    }
    fail("one of > >= < <= == !=");
  }
  FormulaNode components(Kind kind) {
    FormulaNode node{kind};
    node.number = kind == Kind::first_of ? whole_number() : decimal();
    if (!(node.number > 0)) fail("a number above 0 before it");
    need(";");
    node.word = name().word;
    if (take(";")) {
      need("Mask");
      need("=");
      while (!sees("}}")) {
        const std::size_t begin = at_;
        while (at_ < text_.size() && is_name(text_[at_])) ++at_;
        if (at_ == begin) fail("the name of a mask");
        node.masks.emplace_back(text_.substr(begin, at_ - begin));
        take(",");
      }
    }
    need("}}");
    return node;
  }
  FormulaNode name() {
    skip();
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    if (at_ == begin || is_digit(text_[begin])) {
      at_ = begin;
      fail("the name of a column, an operation such as dd1(…), or (");
    }
    FormulaNode node{Kind::columns, std::string(text_.substr(begin, at_ - begin))};
    skip();
    return node;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

ConfoundFormula::ConfoundFormula(std::string_view text) : root_(Parser(text).whole()) {}

}  // namespace noema
