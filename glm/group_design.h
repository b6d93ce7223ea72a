// glm/group_design: what each subject should show: the design matrix of a second level, from a table of subjects.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "noema/glm/contrast.h"
#include "noema/io/table.h"

namespace noema {

/// The columns of a formula such as "group + age" or "1 + age + C(site) + group:age", for these subjects in this order.
///
/// Terms are columns of the table parted by '+'. Numbers give one column, less their mean over the subjects, so that
/// everything else is at the average. Text, or numbers within C(…), gives one column for each value, "group[patient]":
/// of the first such term 1 for those who have it, which takes the place of the column "intercept"; of later ones less
/// their mean and without the first value. "a:b" is the product of two terms. "1" asks for the intercept beside or
/// instead, "0" for none. Two groups are compared by "group[a] - group[b]", matched pairs by the formula
/// "group + C(pair)", and two conditions of the same subjects by the first level's contrast of both.
/// @throws UsageError for a formula that cannot be read or a column that is not there (with the nearest); DataError for
///   subjects without a row or without a value, and for a text column of one value.
DesignMatrix make_group_design(const Table& participants, const std::vector<std::string>& subjects,
                               std::string_view formula);

/// Columns as they are, for models that name each: "1" (the column "intercept"), a column of numbers such as "age", or
/// "group.patient", 1 for those with the value patient; "group.*", or another pattern of file names behind the column's
/// name, stands for the values that fit, in order. @throws as `make_group_design`; UsageError for a pattern that none
/// fits
DesignMatrix make_group_columns(const Table& participants, const std::vector<std::string>& subjects,
                                const std::vector<std::string>& columns);

}  // namespace noema
