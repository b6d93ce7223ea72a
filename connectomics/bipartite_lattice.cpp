// Rounds in which every region goes to one more group.
#include "noema/connectomics/bipartite_lattice.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "noema/connectomics/shapes.h"
#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/random.h"

namespace noema {
namespace {

using Index = std::int64_t;

/// One try at a lattice.
class Lattice {
 public:
  Lattice(const at::Tensor& potentials, const LatticeOptions& options, std::uint64_t number)
      : options_(options),
        regions_(potentials.size(0)),
        potentials_(potentials.const_data_ptr<double>()),
        random_(options.seed, "lattice", {number}),
        member_(at::zeros({options.groups, regions_}, at::kBool)),
        pull_(static_cast<std::size_t>(options.groups * regions_), 0),
        taken_(static_cast<std::size_t>(regions_), 0) {}

  /// Nothing if the last regions fit into no group.
  std::optional<at::Tensor> made() {
    for (Index round = 0; round < options_.degree; ++round) {
      if (!fill(round)) return std::nullopt;
    }
    return member_;
  }

 private:
  bool is_member(Index group, Index region) const { return member_.const_data_ptr<bool>()[group * regions_ + region]; }

  void add(Index group, Index region) {
    member_.mutable_data_ptr<bool>()[group * regions_ + region] = true;
    double* pull = pull_.data() + group * regions_;
    for (Index j = 0; j < regions_; ++j) {
      pull[j] += potentials_[region * regions_ + j];
      taken_[static_cast<std::size_t>(j)] += potentials_[region * regions_ + j];
    }
  }

  /// Every region goes to one group more, every group gets equally many.
  bool fill(Index round) {
    std::vector<Index> free = random_.permutation(regions_);
    for (Index turn = 0; turn < regions_ / options_.groups; ++turn) {
      for (const Index group : random_.permutation(options_.groups)) {
        std::vector<Index> possible;
        for (const Index region : free) {
          if (!is_member(group, region)) possible.push_back(region);
        }
        if (possible.empty()) return false;
        const Index region = round == 0 && turn == 0 ? apart(possible) : chosen(group, possible);
        add(group, region);
        free.erase(std::find(free.begin(), free.end(), region));
      }
    }
    return true;
  }

  /// That which belongs least to the regions that others began with; the first of a random order where all do alike.
  Index apart(const std::vector<Index>& possible) const {
    const auto less = [&](Index a, Index b) {
      return taken_[static_cast<std::size_t>(a)] < taken_[static_cast<std::size_t>(b)];
    };
    return *std::min_element(possible.begin(), possible.end(), less);
  }

  Index chosen(Index group, const std::vector<Index>& possible) {
    const double* pull = pull_.data() + group * regions_;
    const auto less = [&](Index a, Index b) { return pull[a] < pull[b]; };
    const Index best = *std::max_element(possible.begin(), possible.end(), less);
    if (options_.temperature == 0) return best;
    const bool* row = member_.const_data_ptr<bool>() + group * regions_;
    const auto members = static_cast<double>(std::max<Index>(std::count(row, row + regions_, true), 1));
    std::vector<double> upto;
    double sum = 0;
    for (const Index region : possible) {
      sum += std::exp((pull[region] - pull[best]) / members / options_.temperature);
      upto.push_back(sum);
    }
    const auto drawn = std::upper_bound(upto.begin(), upto.end(), sum * random_.uniform()) - upto.begin();
    return possible[static_cast<std::size_t>(std::min<Index>(drawn, static_cast<Index>(possible.size()) - 1))];
  }

  const LatticeOptions& options_;
  Index regions_;
  const double* potentials_;
  RandomStream random_;
  at::Tensor member_;
  std::vector<double> pull_;   // (groups, N): Σ of potentials to a group's members
  std::vector<double> taken_;  // (N): to all members
};

}  // namespace

void LatticeOptions::validate() const {
  if (groups < 1 || degree < 1 || degree > groups || tries < 1 || !(temperature >= 0)) {
    throw UsageError(
        fmt::format("lattice: found {} groups, degree {}, temperature {} and {} tries, expected a group or more, a "
                    "degree of 1 to the groups, a temperature from 0 on and a try or more",
                    groups, degree, temperature, tries));
  }
}

double potential_within(const at::Tensor& lattice, const at::Tensor& potentials) {
  require_square(potentials, "potentials");
  require_size(lattice, "lattice", -1, potentials.size(-1));
  const at::Tensor m = lattice.to(potentials.scalar_type());
  const at::Tensor all = (m.matmul(potentials) * m).sum() - (m * potentials.diagonal()).sum();
  return all.item<double>() / 2;
}

at::Tensor bipartite_lattice(const at::Tensor& potentials, const LatticeOptions& options) {
  options.validate();
  require_square(potentials, "potentials");
  if (potentials.dim() != 2 || potentials.size(0) % options.groups != 0) {
    throw UsageError(
        fmt::format("lattice: found potentials {} and {} groups, expected (N, N) with N a multiple of them",
                    shape_text(potentials.sizes()), options.groups));
  }
  const at::Tensor p = symmetrised(potentials.detach().to(at::kCPU, at::kDouble)).contiguous();
  if (!p.isfinite().all().item<bool>()) throw DataError("potentials: found some that are not finite, expected none");
  at::Tensor best;
  double most = -std::numeric_limits<double>::infinity();
  for (int number = 0; number < options.tries; ++number) {
    check_cancelled();
    const std::optional<at::Tensor> found = Lattice(p, options, static_cast<std::uint64_t>(number)).made();
    if (!found) continue;
    const double within = potential_within(*found, p);
    if (within > most) {
      most = within;
      best = *found;
    }
  }
  if (!best.defined()) {
    throw NumericalError(
        fmt::format("lattice: found no way to put every region into {} of {} groups in {} tries; use more tries, a "
                    "higher temperature or a smaller degree",
                    options.degree, options.groups, options.tries));
  }
  return best;
}

}  // namespace noema
