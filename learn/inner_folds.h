// learn/inner_folds: folds within training data, for what is chosen there.
#pragma once

#include <span>
#include <vector>

namespace noema {

/// The fold of each row, as few as asked for but so that every fold trains on every label; empty where it cannot be, or
/// without groups. Whole groups are dealt, the largest first, each to the fold with the fewest rows.
/// @param labels  in [0, classes), one a row; `groups` likewise.
std::vector<int> inner_folds(std::span<const int> labels, int classes, std::span<const int> groups, int wanted);

}  // namespace noema
