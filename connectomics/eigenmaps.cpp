// Eigenmaps of dense networks through the whole eigensystem and of sparse ones through Lanczos.
#include "noema/connectomics/eigenmaps.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <Spectra/SymEigsSolver.h>
#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

#include "noema/connectomics/shapes.h"
#include "noema/connectomics/spd.h"
#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"

namespace noema {
namespace {

using Eigen::VectorXd;

void require_components(std::int64_t components, std::int64_t most) {
  if (components < 1 || components > most) {
    throw UsageError(fmt::format("eigenmaps: found {} components asked for, expected 1 to {}", components, most));
  }
}

[[noreturn]] void in_pieces(std::int64_t reached, std::int64_t nodes) {
  throw DataError(
      fmt::format("network: found {} of {} nodes reachable from the first, expected all; keep its largest "
                  "piece or more edges",
                  reached, nodes));
}

// ---- dense
// -----------------------------------------------------------------------------------------------------------

at::Tensor checked(const at::Tensor& affinity, std::int64_t components) {
  require_square(affinity, "affinity");
  const std::int64_t nodes = affinity.size(-1);
  require_components(components, nodes - 1);
  const at::Tensor w = symmetrised(affinity);
  if (!w.isfinite().all().item<bool>() || affinity.min().item<double>() < 0) {
    throw DataError("affinity: found weights that are negative or not finite, expected them ≥ 0");
  }
  const auto alone = (w.sum(-1) == 0).sum().item<std::int64_t>();
  if (alone > 0) throw DataError(fmt::format("affinity: found {} nodes without edges, expected none", alone));
  const at::Tensor edges = (w.detach() > 0).to(w.scalar_type());
  at::Tensor seen = at::zeros(w.sizes().slice(0, static_cast<std::size_t>(w.dim() - 1)), edges.options()).unsqueeze(-1);
  seen.select(-2, 0).fill_(1);
  for (double last = 0, reached = 1; reached > last;) {
    last = reached;
    seen = ((edges.matmul(seen) + seen) > 0).to(w.scalar_type());
    reached = seen.sum().item<double>();
  }
  const auto least = seen.sum(at::IntArrayRef{-2, -1}).min().item<std::int64_t>();
  if (least < nodes) in_pieces(least, nodes);
  return w;
}

/// The entry of largest magnitude of each column positive.
at::Tensor with_signs(const at::Tensor& vectors) {
  const at::Tensor largest = vectors.detach().abs().argmax(-2, true);
  const at::Tensor sign = vectors.detach().gather(-2, largest).sign();
  return vectors * at::where(sign == 0, at::ones_like(sign), sign);
}

/// D^(−1/2) W D^(−1/2) with 1/√degree, (…, N).
struct Normalised {
  at::Tensor matrix, scale;
};

Normalised normalised(const at::Tensor& w) {
  const at::Tensor scale = w.sum(-1).rsqrt();
  return {w * scale.unsqueeze(-1) * scale.unsqueeze(-2), scale};
}

// ---- sparse
// ----------------------------------------------------------------------------------------------------------

/// y_i = s_i Σ_j w_ij s_j x_j, and for Spectra the same less its constant component.
class Operator {
 public:
  using Scalar = double;

  explicit Operator(const SparseNetwork& network) : network_(network), scale_(VectorXd::Ones(rows())) {}

  Eigen::Index rows() const { return static_cast<Eigen::Index>(network_.offsets.size()) - 1; }
  Eigen::Index cols() const { return rows(); }
  const VectorXd& scale() const { return scale_; }
  VectorXd degrees() const { return times(VectorXd::Ones(rows())); }
  void scale_by(const VectorXd& factors) { scale_.array() *= factors.array(); }
  /// `component` has norm 1 and eigenvalue 1.
  void leave_out(const VectorXd& component) { left_out_ = component; }

  VectorXd times(const VectorXd& x) const {
    const VectorXd scaled = scale_.cwiseProduct(x);
    VectorXd y(rows());
    parallel_for(rows(), 256, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto row = static_cast<std::size_t>(i);
        double sum = 0;
        for (std::int64_t e = network_.offsets[row]; e < network_.offsets[row + 1]; ++e) {
          const auto edge = static_cast<std::size_t>(e);
          sum += network_.weights[edge] * scaled(network_.columns[edge]);
        }
        y(i) = scale_(i) * sum;
      }
    });
    return y;
  }

  void perform_op(const double* x, double* y) const {
    check_cancelled();
    const Eigen::Map<const VectorXd> in(x, rows());
    Eigen::Map<VectorXd>(y, rows()) = times(in) - left_out_.dot(in) * left_out_;
  }

 private:
  const SparseNetwork& network_;
  VectorXd scale_, left_out_;
};

void require_rows(const SparseNetwork& network) {
  const std::int64_t nodes = static_cast<std::int64_t>(network.offsets.size()) - 1;
  if (nodes < 1 || network.offsets.front() != 0 || !std::is_sorted(network.offsets.begin(), network.offsets.end()) ||
      network.offsets.back() != static_cast<std::int64_t>(network.columns.size()) ||
      network.columns.size() != network.weights.size()) {
    throw ShapeError(
        fmt::format("sparse network: found {} offsets, {} columns and {} weights that do not fit together, "
                    "expected ascending offsets from 0 to the number of columns and weights",
                    network.offsets.size(), network.columns.size(), network.weights.size()));
  }
  for (const std::int32_t column : network.columns) {
    if (column < 0 || column >= nodes) {
      throw ShapeError(fmt::format("sparse network: found column {}, expected 0 to {}", column, nodes - 1));
    }
  }
  for (const double weight : network.weights) {
    if (!(weight >= 0 && std::isfinite(weight))) {
      throw DataError(fmt::format("sparse network: found a weight of {}, expected finite ones ≥ 0", weight));
    }
  }
}

void require_symmetric(const SparseNetwork& network, const Operator& rows) {
  // W x = Wᵀ x for a vector x without pattern.
  VectorXd x(rows.rows()), transposed = VectorXd::Zero(rows.rows());
  for (Eigen::Index i = 0; i < x.size(); ++i) x(i) = std::sin(1.0 + 12.9898 * static_cast<double>(i));
  for (Eigen::Index i = 0; i < x.size(); ++i) {
    const auto row = static_cast<std::size_t>(i);
    for (auto e = static_cast<std::size_t>(network.offsets[row]);
         e < static_cast<std::size_t>(network.offsets[row + 1]); ++e) {
      transposed(network.columns[e]) += network.weights[e] * x(i);
    }
  }
  const double difference = (rows.times(x) - transposed).cwiseAbs().maxCoeff();
  if (difference > 1e-9 * rows.degrees().maxCoeff()) {
    throw DataError(
        "sparse network: found rows that differ from the columns, expected a symmetric network; add its "
        "transpose and halve");
  }
}

void require_one_piece(const SparseNetwork& network) {
  const std::size_t nodes = network.offsets.size() - 1;
  std::vector<bool> seen(nodes, false);
  std::deque<std::size_t> next{0};
  seen[0] = true;
  std::int64_t reached = 1;
  for (; !next.empty(); next.pop_front()) {
    const std::size_t row = next.front();
    for (auto e = static_cast<std::size_t>(network.offsets[row]);
         e < static_cast<std::size_t>(network.offsets[row + 1]); ++e) {
      const auto column = static_cast<std::size_t>(network.columns[e]);
      if (network.weights[e] == 0 || seen[column]) continue;
      seen[column] = true;
      ++reached;
      next.push_back(column);
    }
  }
  if (reached < static_cast<std::int64_t>(nodes)) in_pieces(reached, static_cast<std::int64_t>(nodes));
}

Operator operator_of(const SparseNetwork& network) {
  require_rows(network);
  Operator result(network);
  require_symmetric(network, result);
  const VectorXd degrees = result.degrees();
  if (const auto alone = (degrees.array() == 0).count(); alone > 0) {
    throw DataError(fmt::format("sparse network: found {} nodes without edges, expected none", alone));
  }
  require_one_piece(network);
  return result;
}

/// Scales to D^(−1/2) W D^(−1/2) and finds its `components` largest eigenpairs after the constant one, descending.
std::pair<VectorXd, Eigen::MatrixXd> leading(Operator& rows, const VectorXd& degrees, std::int64_t components) {
  const Eigen::Index nodes = rows.rows();
  require_components(components, nodes - 2);
  rows.scale_by(degrees.cwiseSqrt().cwiseInverse());
  rows.leave_out(degrees.cwiseSqrt().normalized());
  const Eigen::Index basis = std::min<Eigen::Index>(nodes, std::max<Eigen::Index>(4 * components, 40));
  Spectra::SymEigsSolver<Operator> solver(rows, components, basis);
  solver.init();
  solver.compute(Spectra::SortRule::LargestAlge, 2000, 1e-12);
  if (solver.info() != Spectra::CompInfo::Successful) {
    throw NumericalError(
        fmt::format("eigenmaps: found {} of {} components converged, expected all; ask for fewer or "
                    "more, where the eigenvalues have a gap",
                    solver.eigenvalues().size(), components));
  }
  return {solver.eigenvalues(), solver.eigenvectors()};
}

at::Tensor tensor_of(const Eigen::MatrixXd& matrix) {
  at::Tensor result = at::empty({matrix.rows(), matrix.cols()}, at::kDouble);
  Eigen::Map<Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(
      result.mutable_data_ptr<double>(), matrix.rows(), matrix.cols()) = matrix;
  return result;
}

at::Tensor scaled_by_time(const at::Tensor& values, double time) {
  if (time != std::floor(time) && values.min().item<double>() < 0) {
    throw UsageError(
        fmt::format("diffusion map: found time {} and an eigenvalue below 0, expected a whole number of "
                    "steps",
                    time));
  }
  return time == 0 ? values / (1 - values) : values.pow(time);
}

void validate(const DiffusionOptions& options) {
  if (!(options.time >= 0) || !std::isfinite(options.alpha)) {
    throw UsageError(fmt::format("diffusion map: found α = {} and time {}, expected a finite α and time ≥ 0",
                                 options.alpha, options.time));
  }
}

}  // namespace

Embedding laplacian_eigenmaps(const at::Tensor& affinity, std::int64_t components) {
  const Normalised s = normalised(checked(affinity, components));
  const Eigensystem system = safe_eigh(s.matrix);
  const std::int64_t first = affinity.size(-1) - 1 - components;
  const at::Tensor vectors = system.vectors.narrow(-1, first, components).flip(-1);
  return {1 - system.values.narrow(-1, first, components).flip(-1), with_signs(vectors * s.scale.unsqueeze(-1))};
}

Embedding laplacian_eigenmaps(const SparseNetwork& affinity, std::int64_t components) {
  Operator rows = operator_of(affinity);
  const auto [values, vectors] = leading(rows, rows.degrees(), components);
  return {1 - tensor_of(values).squeeze(-1), with_signs(tensor_of(rows.scale().asDiagonal() * vectors))};
}

Embedding diffusion_map(const at::Tensor& affinity, std::int64_t components, const DiffusionOptions& options) {
  validate(options);
  const at::Tensor w = checked(affinity, components);
  const at::Tensor density = w.sum(-1).pow(-options.alpha);
  const Normalised s = normalised(w * density.unsqueeze(-1) * density.unsqueeze(-2));
  const Eigensystem system = safe_eigh(s.matrix);
  const std::int64_t first = affinity.size(-1) - 1 - components;
  // The first right eigenvector is the constant of norm-1 S vectors: √(d/Σd)·1/√d.
  const at::Tensor constant = s.scale.square().reciprocal().sum(-1, true).rsqrt().unsqueeze(-1);
  const at::Tensor vectors = system.vectors.narrow(-1, first, components).flip(-1) * s.scale.unsqueeze(-1) / constant;
  const at::Tensor values = scaled_by_time(system.values.narrow(-1, first, components).flip(-1), options.time);
  return {values, with_signs(vectors * values.unsqueeze(-2))};
}

Embedding diffusion_map(const SparseNetwork& affinity, std::int64_t components, const DiffusionOptions& options) {
  validate(options);
  Operator rows = operator_of(affinity);
  rows.scale_by(rows.degrees().array().pow(-options.alpha).matrix());
  // With s = d^(−α): the new degrees are s_i Σ w_ij s_j.
  const VectorXd degrees = rows.degrees();
  const auto [found, vectors] = leading(rows, degrees, components);
  const VectorXd to_right = degrees.cwiseSqrt().cwiseInverse() * std::sqrt(degrees.sum());
  const at::Tensor values = scaled_by_time(tensor_of(found).squeeze(-1), options.time);
  return {values, with_signs(tensor_of(to_right.asDiagonal() * vectors) * values.unsqueeze(-2))};
}

}  // namespace noema
