// Parcel series as matrix products; sparse weights gather and scatter in blocks of entries.
#include "noema/connectomics/parcels.h"

#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_unique.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "noema/connectomics/shapes.h"
#include "noema/connectomics/unit_series.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"

namespace noema {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

/// Entries whose rows are gathered at once: bounds the memory beside inputs and results.
constexpr std::int64_t kBlock = 8192;

/// Whether plain loops serve: LibTorch's index_add_ takes a microsecond a row, and more than a row's sum.
bool plain(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& parcel, const at::Tensor& voxel) {
  return !at::GradMode::is_enabled() && x.is_cpu() && weight.is_cpu() && parcel.is_cpu() && voxel.is_cpu();
}

template <class Number>
struct Entries {
  const Number *from, *weight;
  const std::int64_t *to, *source;
  std::int64_t count, columns;
};

template <class Number>
void accumulate_rows(Number* into, const Entries<Number>& e) {
  parallel_for(e.columns, 32, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = 0; i < e.count; ++i) {
      Number* sums = into + e.to[i] * e.columns;
      const Number* row = e.from + e.source[i] * e.columns;
      for (std::int64_t c = begin; c < end; ++c) sums[c] += e.weight[i] * row[c];
    }
  });
}

/// products[i] = rows[to[i]] · from[source[i]].
template <class Number>
void multiply_rows(Number* products, const Number* rows, const Entries<Number>& e) {
  parallel_for(e.count, 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Number *a = rows + e.to[i] * e.columns, *b = e.from + e.source[i] * e.columns;
      Number sum = 0;
      for (std::int64_t c = 0; c < e.columns; ++c) sum += a[c] * b[c];
      products[i] = sum;
    }
  });
}

/// Of contiguous tensors.
template <class Number>
Entries<Number> entries_of(const at::Tensor& from, const at::Tensor& weight, const at::Tensor& to,
                           const at::Tensor& source) {
  return {from.const_data_ptr<Number>(),
          weight.const_data_ptr<Number>(),
          to.const_data_ptr<std::int64_t>(),
          source.const_data_ptr<std::int64_t>(),
          to.numel(),
          from.size(1)};
}

/// into[to[i]] += weight[i] · from[source[i]], over rows.
void accumulate(const at::Tensor& into, const at::Tensor& to, const at::Tensor& from, const at::Tensor& source,
                const at::Tensor& weight) {
  if (plain(from, weight, to, source)) {
    AT_DISPATCH_FLOATING_TYPES(from.scalar_type(), "accumulate", [&] {
      accumulate_rows(into.mutable_data_ptr<scalar_t>(), entries_of<scalar_t>(from, weight, to, source));
    });
    return;
  }
  for (std::int64_t begin = 0; begin < to.numel(); begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, to.numel());
    const at::Tensor rows =
        from.index_select(0, source.slice(0, begin, end)) * weight.slice(0, begin, end).unsqueeze(1);
    into.index_add_(0, to.slice(0, begin, end), rows);
  }
}

/// products[i] = rows[to[i]] · from[source[i]].
void multiply(const at::Tensor& products, const at::Tensor& rows, const at::Tensor& to, const at::Tensor& from,
              const at::Tensor& source) {
  if (plain(from, products, to, source)) {
    AT_DISPATCH_FLOATING_TYPES(from.scalar_type(), "multiply", [&] {
      multiply_rows(products.mutable_data_ptr<scalar_t>(), rows.const_data_ptr<scalar_t>(),
                    entries_of<scalar_t>(from, products, to, source));
    });
    return;
  }
  for (std::int64_t begin = 0; begin < products.numel(); begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, products.numel());
    const at::Tensor found =
        rows.index_select(0, to.slice(0, begin, end)) * from.index_select(0, source.slice(0, begin, end));
    products.slice(0, begin, end).copy_(found.sum(1));
  }
}

/// W·X for X (V, M): (P, M). All are contiguous.
class SparseProduct : public torch::autograd::Function<SparseProduct> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& parcel, const at::Tensor& voxel, std::int64_t parcels) {
    context->save_for_backward({x, weight, parcel, voxel});
    const at::Tensor y = at::zeros({parcels, x.size(1)}, x.options());
    accumulate(y, parcel, x, voxel, weight);
    return y;
  }
  static tensor_list backward(AutogradContext* context, const tensor_list& gradients) {
    const tensor_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &parcel = saved[2], &voxel = saved[3];
    const at::Tensor g = gradients[0].contiguous();
    at::Tensor in_x, in_weight;
    if (context->needs_input_grad(0)) {
      in_x = at::zeros_like(x);
      accumulate(in_x, voxel, g, parcel, weight);
    }
    if (context->needs_input_grad(1)) {
      in_weight = at::empty_like(weight);
      multiply(in_weight, g, parcel, x, voxel);
    }
    return {in_x, in_weight, {}, {}, {}};
  }
};

/// Divides Y (…, P, T) by totals (…, P) of the weights.
at::Tensor divided(const at::Tensor& y, const at::Tensor& total, const at::Tensor& absolute) {
  const double tiny = y.scalar_type() == at::kFloat ? 1e-6 : 1e-12;
  const at::Tensor empty = absolute == 0;
  const at::Tensor cancelled = (total.detach().abs() <= tiny * absolute.detach()).logical_and(empty.logical_not());
  const std::int64_t count = cancelled.sum().item<std::int64_t>();
  if (count > 0) {
    throw NumericalError(
        fmt::format("parcel means: found {} parcels whose weights of both signs cancel, expected sums "
                    "away from 0; use the absolute mean",
                    count));
  }
  return y / at::where(empty, at::ones_like(total), total).unsqueeze(-1);
}

at::Tensor percent_change(const at::Tensor& y) {
  const at::Tensor mean = y.mean(-1, true);
  const std::int64_t zeros = (mean == 0).sum().item<std::int64_t>();
  if (zeros > 0) {
    throw NumericalError(
        fmt::format("percent change: found {} series whose mean is 0, expected means away from 0", zeros));
  }
  return 100 * (y / mean - 1);
}

void require_series(const at::Tensor& series, std::string_view name) {
  require_dimensions(series, name, 2, "(…, V, T)");
  if (series.size(-1) == 0) {
    throw ShapeError(fmt::format("{}: found shape {}, expected at least one frame", name, shape_text(series.sizes())));
  }
}

void require_entries(const at::Tensor& index, std::int64_t size, std::int64_t count, const char* name) {
  if (!index.defined() || index.dim() != 1 || index.scalar_type() != at::kLong || index.numel() != count) {
    throw ShapeError(fmt::format("{}: found {}, expected whole numbers ({}), one for each weight", name,
                                 index.defined() ? shape_text(index.sizes()) : "no tensor", count));
  }
  if (count == 0) return;
  const auto least = index.min().item<std::int64_t>(), most = index.max().item<std::int64_t>();
  if (least < 0 || most >= size) {
    throw ShapeError(fmt::format("{}: found numbers {} to {}, expected 0 to {}", name, least, most, size - 1));
  }
}

/// @param weight_sum sums over voxels of a function of the weights, (…, P)
template <class WeightSum>
at::Tensor scaled(const at::Tensor& y, ParcelScale scale, const WeightSum& weight_sum) {
  switch (scale) {
    case ParcelScale::sum:
      return y;
    case ParcelScale::mean:
      return divided(y, weight_sum(false), weight_sum(true));
    case ParcelScale::absolute_mean: {
      const at::Tensor absolute = weight_sum(true);
      return divided(y, absolute, absolute);
    }
    case ParcelScale::zscore:
      return unit_series(y) * std::sqrt(static_cast<double>(y.size(-1)));
    case ParcelScale::percent:
      return percent_change(y);
  }
  throw UsageError("parcel series: unknown scale");
}

}  // namespace

LabelledParcels parcels_of_labels(const at::Tensor& labels, std::int64_t background, const at::Tensor& voxel_weights) {
  if (!labels.defined() || labels.dim() != 1 || !at::isIntegralType(labels.scalar_type(), false)) {
    throw ShapeError(fmt::format("labels: found {}, expected whole numbers (V)",
                                 labels.defined() ? shape_text(labels.sizes()) : "no tensor"));
  }
  const at::Tensor whole = labels.to(at::kLong);
  const at::Tensor voxel = (whole != background).nonzero().flatten();
  if (voxel.numel() == 0) {
    throw DataError(fmt::format("labels: found only the background {}, expected at least one parcel", background));
  }
  const auto [ids, parcel] = at::_unique(whole.index_select(0, voxel), true, true);
  at::Tensor weight;
  if (voxel_weights.defined()) {
    require_dimensions(voxel_weights, "voxel weights", 1, "(V)");
    require_size(voxel_weights, "voxel weights", 0, labels.size(0));
    weight = voxel_weights.index_select(0, voxel);
  } else {
    weight = at::ones({voxel.numel()}, labels.options().dtype(at::kDouble));
  }
  const at::Tensor on_cpu = ids.to(at::kCPU).contiguous();
  const auto* first = on_cpu.const_data_ptr<std::int64_t>();
  return {{parcel, voxel, weight, ids.numel(), labels.numel()}, {first, first + on_cpu.numel()}};
}

at::Tensor extract_parcels(const at::Tensor& series, const at::Tensor& weights, ParcelScale scale) {
  require_series(series, "series");
  require_dimensions(weights, "parcel weights", 2, "(…, P, V)");
  require_size(weights, "parcel weights", -1, series.size(-2));
  return scaled(weights.matmul(series), scale,
                [&](bool absolute) { return (absolute ? weights.abs() : weights).sum(-1); });
}

at::Tensor extract_parcels(const at::Tensor& series, const SparseWeights& weights, ParcelScale scale) {
  require_series(series, "series");
  require_size(series, "series", -2, weights.voxels);
  require_entries(weights.parcel, weights.parcels, weights.weight.numel(), "parcels of sparse weights");
  require_entries(weights.voxel, weights.voxels, weights.weight.numel(), "voxels of sparse weights");
  const at::Tensor weight = weights.weight.to(series.scalar_type());
  const at::Tensor rows = series.movedim(-2, 0);  // (V, …, T)
  const at::Tensor flat =
      SparseProduct::apply(rows.reshape({weights.voxels, -1}).contiguous(), weight.contiguous(),
                           weights.parcel.contiguous(), weights.voxel.contiguous(), weights.parcels);
  std::vector<std::int64_t> shape = rows.sizes().vec();
  shape[0] = weights.parcels;
  return scaled(flat.reshape(shape).movedim(0, -2), scale, [&](bool absolute) {
    return at::zeros({weights.parcels}, weight.options())
        .index_add(0, weights.parcel, absolute ? weight.abs() : weight);
  });
}

at::Tensor project_on_maps(const at::Tensor& series, const at::Tensor& weights) {
  require_series(series, "series");
  require_dimensions(weights, "maps", 2, "(…, P, V)");
  require_size(weights, "maps", -1, series.size(-2));
  const double tiny = series.scalar_type() == at::kFloat ? 1e-6 : 1e-12;
  return at::linalg_pinv(weights.mT(), tiny).matmul(series);
}

at::Tensor spread_parcels(const at::Tensor& values, const at::Tensor& weights) {
  require_dimensions(values, "parcel values", 2, "(…, P, T)");
  require_dimensions(weights, "parcel weights", 2, "(…, P, V)");
  require_size(weights, "parcel weights", -2, values.size(-2));
  return weights.mT().matmul(values);
}

at::Tensor hard_assignment(const at::Tensor& soft, std::int64_t axis) {
  require_dimensions(soft, "assignment", 1, "(…, P, V)");
  const at::Tensor largest = soft.detach().argmax(axis, true);
  return at::zeros_like(soft, soft.options().requires_grad(false)).scatter(axis, largest, 1.0);
}

at::Tensor straight_through(const at::Tensor& soft, std::int64_t axis) {
  return hard_assignment(soft, axis) + (soft - soft.detach());
}

}  // namespace noema
