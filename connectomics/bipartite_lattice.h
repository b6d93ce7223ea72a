// connectomics/bipartite_lattice: sparse regular masks that put regions which belong together into the same groups.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace noema {

struct LatticeOptions {
  std::int64_t groups = 0;
  /// Groups that each region is in.
  std::int64_t degree = 1;
  /// A group takes its next region with probability softmax(potential / temperature); 0: that of the largest potential.
  double temperature = 0;
  /// From different random starts; that of the largest potential within groups is taken.
  int tries = 10;
  std::uint64_t seed = 0;

  /// @throws UsageError
  void validate() const;
};

/// (groups, N) bool from potentials (N, N) between regions, such as a connectome: every region is in `degree` groups,
/// every group has degree·N/groups regions. Groups start with regions that belong to each other least (the first
/// random) and take turns in adding the region of the largest mean potential to those they have. Greedy: a good
/// lattice, not the best. Cost O(tries·degree·groups·N + degree·N²). No gradient.
/// @throws ShapeError; UsageError unless groups divide N and degree ≤ groups; DataError for potentials that are not
///   finite; NumericalError if no try fits together
at::Tensor bipartite_lattice(const at::Tensor& potentials, const LatticeOptions& options);

/// Σ of the potentials of all pairs of two regions in a common group, once for each such group.
double potential_within(const at::Tensor& lattice, const at::Tensor& potentials);

}  // namespace noema
