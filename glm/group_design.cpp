#include "noema/glm/group_design.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "noema/core/command.h"
#include "noema/core/error.h"
#include "noema/core/pattern.h"

namespace noema {
namespace {

/// Columns of one term.
struct TermColumns {
  std::vector<std::string> names;
  std::vector<Eigen::VectorXd> values;
};

std::string trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
}

std::vector<std::string> parts(std::string_view text, char sign) {
  std::vector<std::string> found;
  while (true) {
    const std::size_t end = text.find(sign);
    found.push_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos) return found;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::size_t> rows_of(const Table& participants, const std::vector<std::string>& subjects) {
  const std::vector<std::string>& ids = participants.column("participant_id");
  std::vector<std::size_t> rows;
  for (const std::string& subject : subjects) {
    const auto found = std::find_if(ids.begin(), ids.end(),
                                    [&](const std::string& id) { return id == subject || id == "sub-" + subject; });
    if (found == ids.end()) {
      throw DataError(fmt::format(
          "subject '{}' has no row in the table of participants, whose columns the group model needs", subject));
    }
    rows.push_back(static_cast<std::size_t>(found - ids.begin()));
  }
  return rows;
}

class GroupDesigner {
 public:
  GroupDesigner(const Table& participants, const std::vector<std::string>& subjects, std::string_view formula)
      : participants_(participants), subjects_(subjects), formula_(formula), rows_(rows_of(participants, subjects)) {}

  DesignMatrix design() {
    std::optional<bool> intercept;
    std::vector<std::string> terms;
    for (const std::string& term : parts(formula_, '+')) {
      if (term == "1" || term == "0") {
        intercept = term == "1";
      } else {
        terms.push_back(term);
      }
    }
    const bool has_factor = std::any_of(terms.begin(), terms.end(), [&](const std::string& term) {
      return term.find(':') == std::string::npos && is_factor(term);
    });
    bool first_factor = !intercept.value_or(false);  // beside an intercept every factor is less its mean
    for (const std::string& term : terms) {
      const bool whole = term.find(':') == std::string::npos && is_factor(term) && first_factor;
      if (whole) first_factor = false;
      add(whole ? levels(term) : columns_of(term));
    }
    if (intercept.value_or(!has_factor)) add({{"intercept"}, {Eigen::VectorXd::Ones(subjects())}});
    if (design_.names.empty()) fail("it has no column");
    design_.values.resize(subjects(), std::ssize(design_.names));
    for (std::size_t c = 0; c < columns_.size(); ++c) design_.values.col(static_cast<Eigen::Index>(c)) = columns_[c];
    return std::move(design_);
  }

 private:
  Eigen::Index subjects() const { return std::ssize(subjects_); }

  /// The column that a term names, without its C(…).
  std::string column_name(const std::string& term) const {
    const bool marked = term.starts_with("C(") && term.ends_with(')');
    std::string name = marked ? trimmed(std::string_view(term).substr(2, term.size() - 3)) : term;
    if (name.empty()) fail("a term is empty");
    if (participants_.has(name)) return name;
    const auto nearest = nearest_match(name, participants_.names);
    fail(fmt::format("participants have no column '{}'{}; there are {}", name,
                     nearest ? fmt::format(" (did you mean '{}'?)", *nearest) : "",
                     fmt::join(participants_.names, ", ")));
  }

  std::vector<std::string> texts(const std::string& name) const {
    const std::vector<std::string>& column = participants_.column(name);
    std::vector<std::string> texts;
    for (std::size_t s = 0; s < rows_.size(); ++s) {
      texts.push_back(column[rows_[s]]);
      if (!texts.back().empty() && texts.back() != "n/a") continue;
      throw DataError(
          fmt::format("subject '{}' has no value in the column '{}' of the participants, which the group "
                      "model needs; leave the subject out or the column",
                      subjects_[s], name));
    }
    return texts;
  }

  bool is_factor(const std::string& term) const {
    if (term.starts_with("C(")) return true;
    const std::vector<std::string> words = texts(column_name(term));
    return !std::all_of(words.begin(), words.end(), [](const std::string& word) {
      std::size_t end = 0;
      try {
        return std::isfinite(std::stod(word, &end)) && end == word.size();
      } catch (const std::logic_error&) {
        return false;
      }
    });
  }

  /// One column for each value, 1 for those who have it.
  TermColumns levels(const std::string& term) const {
    const std::string name = column_name(term);
    const std::vector<std::string> words = texts(name);
    TermColumns columns;
    for (const std::string& level : std::set<std::string>(words.begin(), words.end())) {
      Eigen::VectorXd column(subjects());
      for (Eigen::Index s = 0; s < subjects(); ++s) column[s] = words[static_cast<std::size_t>(s)] == level ? 1 : 0;
      columns.names.push_back(fmt::format("{}[{}]", name, level));
      columns.values.push_back(std::move(column));
    }
    if (columns.names.size() < 2) {
      throw DataError(fmt::format("all {} subjects have the value '{}' in the column '{}', so it tells nothing apart",
                                  subjects(), words.front(), name));
    }
    return columns;
  }

  TermColumns columns_of(const std::string& term) const {
    if (const std::size_t colon = term.find(':'); colon != std::string::npos) {
      return products(columns_of(trimmed(term.substr(0, colon))), columns_of(trimmed(term.substr(colon + 1))));
    }
    TermColumns columns;
    if (is_factor(term)) {
      columns = levels(term);
      columns.names.erase(columns.names.begin());
      columns.values.erase(columns.values.begin());
    } else {
      const std::string name = column_name(term);
      const std::vector<double> numbers = participants_.numbers(name);
      Eigen::VectorXd column(subjects());
      for (Eigen::Index s = 0; s < subjects(); ++s) column[s] = numbers[rows_[static_cast<std::size_t>(s)]];
      columns = {{name}, {std::move(column)}};
    }
    for (Eigen::VectorXd& column : columns.values) column.array() -= column.mean();
    return columns;
  }

  static TermColumns products(const TermColumns& a, const TermColumns& b) {
    TermColumns columns;
    for (std::size_t i = 0; i < a.names.size(); ++i) {
      for (std::size_t j = 0; j < b.names.size(); ++j) {
        columns.names.push_back(a.names[i] + ":" + b.names[j]);
        columns.values.emplace_back(a.values[i].cwiseProduct(b.values[j]));
      }
    }
    return columns;
  }

  void add(const TermColumns& columns) {
    for (std::size_t c = 0; c < columns.names.size(); ++c) {
      if (std::count(design_.names.begin(), design_.names.end(), columns.names[c]) > 0) {
        fail(fmt::format("the column '{}' comes twice", columns.names[c]));
      }
      design_.names.push_back(columns.names[c]);
      columns_.push_back(columns.values[c]);
    }
  }

  [[noreturn]] void fail(const std::string& why) const {
    throw UsageError(fmt::format("the group formula '{}' cannot be used: {}", formula_, why));
  }

  const Table& participants_;
  const std::vector<std::string>& subjects_;
  std::string_view formula_;
  std::vector<std::size_t> rows_;
  DesignMatrix design_;
  std::vector<Eigen::VectorXd> columns_;
};

Eigen::VectorXd named_column(const Table& participants, const std::vector<std::string>& subjects,
                             const std::vector<std::size_t>& rows, const std::string& name) {
  const std::size_t dot = name.find('.');
  const bool is_level = !participants.has(name) && dot != std::string::npos;
  const std::string source = is_level ? name.substr(0, dot) : name;
  const std::vector<std::string>& words = participants.column(source);
  const std::vector<double> numbers = is_level ? std::vector<double>() : participants.numbers(source);
  Eigen::VectorXd column(std::ssize(rows));
  for (std::size_t s = 0; s < rows.size(); ++s) {
    const bool is_missing = words[rows[s]].empty() || words[rows[s]] == "n/a";
    if (is_missing) {
      throw DataError(
          fmt::format("subject '{}' has no value in the column '{}' of the participants, which the group "
                      "model needs; leave the subject out or the column",
                      subjects[s], source));
    }
    column[static_cast<Eigen::Index>(s)] =
        is_level ? (words[rows[s]] == name.substr(dot + 1) ? 1 : 0) : numbers[rows[s]];
  }
  if (is_level && column.isZero(0)) {
    throw DataError(fmt::format("no subject has the value '{}' in the column '{}' of the participants",
                                name.substr(dot + 1), source));
  }
  return column;
}

/// The names with patterns of values, such as "group.*", put out in full.
std::vector<std::string> expanded(const Table& participants, const std::vector<std::size_t>& rows,
                                  const std::vector<std::string>& columns) {
  std::vector<std::string> names;
  for (const std::string& column : columns) {
    const std::size_t dot = column.find('.');
    if (participants.has(column) || dot == std::string::npos || !has_wildcard(column.substr(dot))) {
      names.push_back(column);
      continue;
    }
    const std::string source = column.substr(0, dot);
    const std::vector<std::string>& words = participants.column(source);
    std::set<std::string> levels;
    for (const std::size_t row : rows) {
      if (words[row] != "n/a" && fits_pattern(words[row], column.substr(dot + 1))) levels.insert(words[row]);
    }
    if (levels.empty()) {
      throw UsageError(
          fmt::format("no subject has a value in the column '{}' of the participants that fits '{}'", source, column));
    }
    for (const std::string& level : levels) names.push_back(source + "." + level);
  }
  return names;
}

}  // namespace

DesignMatrix make_group_columns(const Table& participants, const std::vector<std::string>& subjects,
                                const std::vector<std::string>& patterns) {
  if (subjects.empty() || patterns.empty()) throw UsageError("a group model needs subjects and columns");
  const std::vector<std::size_t> rows = rows_of(participants, subjects);
  const std::vector<std::string> columns = expanded(participants, rows, patterns);
  DesignMatrix design{MatrixD(std::ssize(subjects), std::ssize(columns)), {}};
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const bool is_intercept = columns[c] == "1";
    design.names.push_back(is_intercept ? "intercept" : columns[c]);
    design.values.col(static_cast<Eigen::Index>(c)) = is_intercept
                                                          ? Eigen::VectorXd(Eigen::VectorXd::Ones(std::ssize(subjects)))
                                                          : named_column(participants, subjects, rows, columns[c]);
  }
  return design;
}

DesignMatrix make_group_design(const Table& participants, const std::vector<std::string>& subjects,
                               std::string_view formula) {
  if (subjects.empty()) throw UsageError("a group model needs subjects; got none");
  return GroupDesigner(participants, subjects, formula).design();
}

}  // namespace noema
