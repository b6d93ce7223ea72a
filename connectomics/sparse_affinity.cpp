// Correlations by blocks of rows; each row keeps its largest, then both directions of an edge are joined.
#include "noema/connectomics/sparse_affinity.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "noema/connectomics/shapes.h"
#include "noema/connectomics/unit_series.h"
#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/core/progress.h"

namespace noema {
namespace {

template <class Real>
struct Edge {
  std::int32_t column;
  Real weight;
};

/// The larger weight first, of equals the lower column.
template <class Real>
bool stronger(const Edge<Real>& a, const Edge<Real>& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.column < b.column;
}

/// The edges that a row of correlations names.
template <class Real>
std::vector<Edge<Real>> named(const Real* correlations, std::int64_t count, std::int64_t self,
                              const AffinityOptions& options) {
  std::vector<Edge<Real>> edges;
  for (std::int64_t j = 0; j < count; ++j) {
    if (j != self && correlations[j] > static_cast<Real>(options.threshold)) {
      edges.push_back({static_cast<std::int32_t>(j), correlations[j]});
    }
  }
  if (options.neighbours > 0 && options.neighbours < static_cast<std::int64_t>(edges.size())) {
    std::nth_element(edges.begin(), edges.begin() + options.neighbours, edges.end(), stronger<Real>);
    return {edges.begin(), edges.begin() + options.neighbours};
  }
  edges.shrink_to_fit();
  return edges;
}

template <class Real>
std::vector<std::vector<Edge<Real>>> named_edges(const at::Tensor& unit, const AffinityOptions& options) {
  const std::int64_t count = unit.size(0);
  std::vector<std::vector<Edge<Real>>> rows(static_cast<std::size_t>(count));
  Progress progress("affinity", count);
  for (std::int64_t begin = 0; begin < count; begin += options.rows_at_once) {
    check_cancelled();
    const std::int64_t end = std::min(begin + options.rows_at_once, count);
    const at::Tensor block = unit.slice(0, begin, end).matmul(unit.t()).contiguous();
    const Real* correlations = block.const_data_ptr<Real>();
    parallel_for(end - begin, 8, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        rows[static_cast<std::size_t>(begin + i)] = named(correlations + i * count, count, begin + i, options);
      }
    });
    progress.advance(end - begin);
  }
  return rows;
}

/// Both directions of each edge, once. The two directions may differ by rounding where both ends name it: the larger.
template <class Real>
SparseNetwork joined(std::vector<std::vector<Edge<Real>>> rows) {
  std::vector<std::size_t> own;
  for (const auto& row : rows) own.push_back(row.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t e = 0; e < own[i]; ++e) {
      const Edge<Real> edge = rows[i][e];
      rows[static_cast<std::size_t>(edge.column)].push_back({static_cast<std::int32_t>(i), edge.weight});
    }
  }
  SparseNetwork network;
  network.offsets.push_back(0);
  for (auto& row : rows) {
    std::sort(row.begin(), row.end(), [](const Edge<Real>& a, const Edge<Real>& b) {
      return a.column != b.column ? a.column < b.column : a.weight > b.weight;
    });
    std::int32_t last = -1;
    for (const Edge<Real>& edge : row) {
      if (edge.column == last) continue;
      last = edge.column;
      network.columns.push_back(edge.column);
      network.weights.push_back(static_cast<double>(edge.weight));
    }
    network.offsets.push_back(static_cast<std::int64_t>(network.columns.size()));
    std::vector<Edge<Real>>().swap(row);
  }
  return network;
}

}  // namespace

void AffinityOptions::validate() const {
  if (neighbours < 0 || rows_at_once < 1 || !(threshold >= 0 && threshold < 1)) {
    throw UsageError(
        fmt::format("affinity: found {} neighbours, threshold {} and {} rows at once, expected neighbours from 0 "
                    "on, a threshold from 0 to below 1 and rows from 1 on",
                    neighbours, threshold, rows_at_once));
  }
}

SparseNetwork sparse_affinity(const at::Tensor& series, const AffinityOptions& options) {
  options.validate();
  require_dimensions(series, "series", 2, "(V, T)");
  if (series.dim() != 2 || series.size(0) == 0 || series.size(1) == 0 ||
      series.size(0) > std::numeric_limits<std::int32_t>::max()) {
    throw ShapeError(fmt::format("series: found shape {}, expected (V, T), V and T from 1 on and V below 2³¹",
                                 shape_text(series.sizes())));
  }
  const at::Tensor values = series.detach().to(at::kCPU);
  if (const auto bad = (~values.isfinite().all(1)).sum().item<std::int64_t>(); bad > 0) {
    throw DataError(fmt::format("series: found {} of {} with values that are not finite, expected none; leave them out",
                                bad, values.size(0)));
  }
  const at::Tensor unit = unit_series(values).contiguous();
  return values.scalar_type() == at::kFloat ? joined(named_edges<float>(unit, options))
                                            : joined(named_edges<double>(unit, options));
}

}  // namespace noema
