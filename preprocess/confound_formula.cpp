#include "noema/preprocess/confound_formula.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "noema/core/error.h"

namespace noema {
namespace {

using Kind = FormulaNode::Kind;
using Columns = std::vector<FormulaColumn>;

bool matches(std::string_view name, std::string_view pattern) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return name == pattern;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (std::size_t from = star; from <= name.size(); ++from) {
    if (matches(name.substr(from), rest)) return true;
  }
  return false;
}

std::vector<std::string> long_names(const std::string& word) {
  if (word == "rps") return {"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"};
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kShort{{{"wm", "white_matter"},
                                                                                 {"gsr", "global_signal"},
                                                                                 {"fd", "framewise_displacement"},
                                                                                 {"dv", "std_dvars"},
                                                                                 {"acc", "a_comp_cor_*"},
                                                                                 {"tcc", "t_comp_cor_*"},
                                                                                 {"wcc", "w_comp_cor_*"},
                                                                                 {"ccc", "c_comp_cor_*"}}};
  for (const auto& [brief, full] : kShort) {
    if (word == brief) return {std::string(full)};
  }
  return {word};
}

/// The columns of the table that a word of the formula means.
std::vector<std::string> names_of(const ConfoundTable& table, const std::string& word) {
  if (table.has(word)) return {word};
  std::vector<std::string> names;
  for (const std::string& pattern : long_names(word)) {
    const std::size_t before = names.size();
    for (const std::string& name : table.names) {
      if (matches(name, pattern)) names.push_back(name);
    }
    if (names.size() > before) continue;
    if (pattern.find('*') == std::string::npos) table.index(pattern);  // says which is nearest
    throw DataError(fmt::format("confounds '{}': no column matches '{}'", table.path.string(), pattern));
  }
  return names;
}

std::vector<std::string> component_names(const ConfoundTable& table, const FormulaNode& node) {
  const auto known = [&](const std::string& name) {
    const auto found = table.compcor.find(name);
    return found == table.compcor.end() ? CompCorComponent{} : found->second;
  };
  const std::vector<std::string> all = names_of(table, node.word);
  std::vector<std::string> chosen;
  const std::vector<std::string> masks = node.masks.empty() ? std::vector<std::string>{""} : node.masks;
  for (const std::string& mask : masks) {
    int taken = 0;
    double explained = 0;
    for (const std::string& name : all) {
      const CompCorComponent component = known(name);
      if (!mask.empty() && component.mask != mask) continue;
      if (node.kind == Kind::first_of ? taken >= node.number : explained >= node.number) break;
      chosen.push_back(name);
      ++taken;
      explained = 100 * component.cumulative_variance;
      if (node.kind == Kind::variance_of && std::isnan(explained)) {
        throw DataError(
            fmt::format("confounds '{}': the .json file beside it does not say how much variance {} "
                        "explains",
                        table.path.string(), name));
      }
    }
    if (taken == 0) {
      throw DataError(
          fmt::format("confounds '{}': no column of '{}' is of the mask {} (told by the .json file beside "
                      "it)",
                      table.path.string(), node.word, mask));
    }
  }
  return chosen;
}

Columns table_columns(const ConfoundTable& table, const std::vector<std::string>& names) {
  Columns columns;
  for (const std::string& name : names) columns.push_back({name, table.values.col(table.index(name)), 0});
  return columns;
}

FormulaColumn difference(FormulaColumn column, int order) {
  if (order == 0) return column;
  for (int i = 0; i < order; ++i) {
    const Eigen::Index rows = column.values.size();
    for (Eigen::Index t = rows - 1; t > 0; --t) column.values[t] -= column.values[t - 1];
    column.values.head(std::min<Eigen::Index>(rows, 1)).setConstant(std::numeric_limits<double>::quiet_NaN());
  }
  column.name += fmt::format("_derivative{}", order);
  column.order += order;
  return column;
}

FormulaColumn raised(FormulaColumn column, int exponent) {
  if (exponent == 1) return column;
  column.values = column.values.unaryExpr([exponent](double value) { return std::pow(value, exponent); });
  column.name += fmt::format("_power{}", exponent);
  return column;
}

bool holds(double value, std::string_view sign, double number) {
  if (std::isnan(value)) return false;
  if (sign == ">") return value > number;
  if (sign == ">=") return value >= number;
  if (sign == "<") return value < number;
  if (sign == "<=") return value <= number;
  return (value == number) == (sign == "==");
}

bool is_true(double value) { return !std::isnan(value) && value != 0; }

/// 1 where any (all) of the columns are not 0.
FormulaColumn combined(const Columns& columns, bool all) {
  std::vector<std::string> names;
  for (const FormulaColumn& column : columns) names.push_back(column.name);
  FormulaColumn result{fmt::format("{}({})", all ? "and" : "or", fmt::join(names, ",")),
                       Eigen::VectorXd::Constant(columns.front().values.size(), all ? 1 : 0), 0};
  for (const FormulaColumn& column : columns) {
    for (Eigen::Index t = 0; t < result.values.size(); ++t) {
      if (is_true(column.values[t]) != all) result.values[t] = all ? 0 : 1;
    }
  }
  return result;
}

Columns spikes(const Columns& columns) {
  const FormulaColumn any = combined(columns, false);
  Columns result;
  for (Eigen::Index t = 0; t < any.values.size(); ++t) {
    if (any.values[t] != 0) {
      result.push_back({fmt::format("spike_{:04}", t), Eigen::VectorXd::Unit(any.values.size(), t), 0});
    }
  }
  return result;
}

Columns evaluate(const FormulaNode& node, const ConfoundTable& table) {
  if (node.kind == Kind::columns) return table_columns(table, names_of(table, node.word));
  if (node.kind == Kind::first_of || node.kind == Kind::variance_of) {
    return table_columns(table, component_names(table, node));
  }
  Columns inner;
  std::set<std::string> seen;
  for (const FormulaNode& part : node.parts) {
    for (FormulaColumn& column : evaluate(part, table)) {
      if (seen.insert(column.name).second) inner.push_back(std::move(column));
    }
  }
  if (node.kind == Kind::sum || inner.empty()) return inner;
  if (node.kind == Kind::any || node.kind == Kind::all) return {combined(inner, node.kind == Kind::all)};
  if (node.kind == Kind::spikes) return spikes(inner);
  Columns result;
  if (node.kind == Kind::compare || node.kind == Kind::negate) {
    for (FormulaColumn& column : inner) {
      const bool compares = node.kind == Kind::compare;
      column.name =
          compares ? fmt::format("{}{}{:g}", column.name, node.word, node.number) : "not(" + column.name + ")";
      column.values = column.values.unaryExpr([&](double value) {
        return (compares ? holds(value, node.word, node.number) : !is_true(value)) ? 1.0 : 0.0;
      });
      column.order = 0;
      result.push_back(std::move(column));
    }
    return result;
  }
  for (const int order : node.orders) {
    for (const FormulaColumn& column : inner) {
      result.push_back(node.kind == Kind::differences ? difference(column, order) : raised(column, order));
    }
  }
  return result;
}

}  // namespace

std::vector<FormulaColumn> ConfoundFormula::columns(const ConfoundTable& table) const { return evaluate(root_, table); }

}  // namespace noema
