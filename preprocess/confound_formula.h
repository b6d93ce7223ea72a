// preprocess/confound_formula: confounds by a formula, such as dd1(rps + wm + csf + gsr)^^2.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "noema/io/confounds.h"

namespace noema {

/// A column that a formula makes.
struct FormulaColumn {
  std::string name;
  Eigen::VectorXd values;  // (T)
  /// So many volumes at the start have no value more than the columns that it is made of.
  int order = 0;
};

/// One operation on the columns of its parts, or a choice of columns of the table.
struct FormulaNode {
  enum class Kind { columns, sum, differences, powers, compare, any, all, negate, spikes, first_of, variance_of };
  Kind kind = Kind::columns;
  /// columns, first_of, variance_of: a name or a pattern; compare: the sign.
  std::string word;
  /// differences, powers: which.
  std::vector<int> orders;
  /// compare: with what; first_of: how many; variance_of: percent.
  double number = 0;
  /// first_of, variance_of: of each of these masks.
  std::vector<std::string> masks;
  std::vector<FormulaNode> parts;
};

/// A formula over the columns of a confounds file.
///
/// - `name`: a column, or all that match a pattern with `*`, in the order of the file. Short for what the file has no
///   column of: rps (six motion parameters), wm, gsr, fd, dv, and acc, tcc, wcc, ccc (all components of a CompCor).
/// - `a + b`: the columns of both; a column that is there already is left out.
/// - `d1(a)`: differences from volume to volume, of order 1; `dd2(a)`: orders 0 to 2; `d1-2(a)`; `d{0,2}(a)`. Names get
///   `_derivative1`.
/// - `a^2`: powers; `a^^2`: powers 1 to 2; `a^2-4`; `a^{1,3}`. They bind closer than +. Names get `_power2`. The
/// squares
///   of differences are `dd1(a)^^2`, differences of squares `dd1(a^^2)`.
/// - `1_[>0.5](a)`: 1 where it holds, else 0 (signs > >= < <= == !=; a missing value does not hold).
/// - `[OR](a)`, `[AND](a)`: 1 where any, all columns are not 0, else 0; `[NOT](a)`: each column negated.
/// - `[SCATTER](a)`: a column for each volume where any column is not 0: 1 there, else 0.
/// - `n_{{5; acc; Mask=CSF,WM}}`: the first 5 components of each mask (told by the .json file; without Mask of all
///   together); `v_{{50; acc; Mask=combined}}`: those that explain 50 % of the variance, the first to reach it
///   included.
class ConfoundFormula {
 public:
  /// @throws UsageError for what is no formula (says where)
  explicit ConfoundFormula(std::string_view text);
  /// The columns in the order of the formula, values that a difference lacks as NaN.
  /// @throws DataError for columns that the table lacks
  std::vector<FormulaColumn> columns(const ConfoundTable& table) const;

 private:
  FormulaNode root_;
};

}  // namespace noema
