// Draws from counter-based streams, copied into tensors.
#include "noema/connectomics/initialisers.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"
#include "noema/core/random.h"

namespace noema {
namespace {

template <class Draw>
at::Tensor drawn(at::IntArrayRef shape, const Draw& draw) {
  at::Tensor numbers = at::empty(shape, at::kDouble);
  double* values = numbers.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < numbers.numel(); ++i) values[i] = draw();
  return numbers;
}

/// Of Gamma(shape, 1): Marsaglia and Tsang 2000, doi:10.1145/358407.358414; shapes below 1 by Gamma(shape +
/// 1)·u^(1/shape).
double gamma_number(double shape, RandomStream& random) {
  if (shape < 1) return gamma_number(shape + 1, random) * std::pow(1 - random.uniform(), 1 / shape);
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal(), v = std::pow(1 + c * x, 3);
    if (v > 0 && std::log(1 - random.uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

}  // namespace

at::Tensor normal_numbers(at::IntArrayRef shape, std::uint64_t seed, std::string_view purpose) {
  RandomStream random(seed, purpose);
  return drawn(shape, [&] { return random.normal(); });
}

at::Tensor uniform_numbers(at::IntArrayRef shape, std::uint64_t seed, std::string_view purpose) {
  RandomStream random(seed, purpose);
  return drawn(shape, [&] { return random.uniform(); });
}

at::Tensor dirichlet_columns(std::int64_t parcels, std::int64_t voxels, double concentration, std::uint64_t seed) {
  if (parcels < 1 || voxels < 1 || !(concentration > 0)) {
    throw UsageError(fmt::format("Dirichlet weights: found {} × {} with concentration {}, expected all above 0",
                                 parcels, voxels, concentration));
  }
  RandomStream random(seed, "dirichlet");
  const at::Tensor gamma = drawn({parcels, voxels}, [&] { return gamma_number(concentration, random) + 1e-300; });
  return gamma / gamma.sum(0, true);
}

at::Tensor cosine_basis(std::int64_t count, std::int64_t frames, const at::TensorOptions& options) {
  if (count < 1 || count >= frames) {
    throw UsageError(fmt::format("cosines: found {} for {} frames, expected 1 to {}", count, frames, frames - 1));
  }
  const at::Tensor order = at::arange(1, count + 1, options).unsqueeze(1);
  const at::Tensor time = at::arange(frames, options) + 0.5;
  const auto length = static_cast<double>(frames);
  return std::sqrt(2 / length) * at::cos(order * time * (std::numbers::pi / length));
}

at::Tensor laplace_profile(std::int64_t size, double centre, double width, const at::TensorOptions& options) {
  if (size < 1 || !(width > 0)) {
    throw UsageError(fmt::format("Laplace profile: found size {} and width {}, expected both above 0", size, width));
  }
  const at::Tensor profile = at::exp(-(at::arange(size, options) - centre).abs() / width);
  return profile / profile.sum();
}

at::Tensor impulse(at::IntArrayRef shape, at::IntArrayRef place, const at::TensorOptions& options, double height) {
  bool inside = shape.size() == place.size() && !shape.empty();
  for (std::size_t axis = 0; inside && axis < shape.size(); ++axis) {
    inside = place[axis] >= 0 && place[axis] < shape[axis];
  }
  if (!inside) {
    throw UsageError(
        fmt::format("impulse: found place {} in shape {}, expected one inside", shape_text(place), shape_text(shape)));
  }
  at::Tensor values = at::zeros(shape, options);
  at::Tensor entry = values;
  for (const std::int64_t index : place) entry = entry.select(0, index);
  entry.fill_(height);
  return values;
}

at::Tensor toeplitz(const at::Tensor& column, const at::Tensor& row, std::int64_t rows, std::int64_t columns,
                    double fill) {
  require_dimensions(column, "first column", 1, "(…, C)");
  require_dimensions(row, "first row", 1, "(…, R)");
  if (column.size(-1) < 1 || row.size(-1) < 1) {
    throw ShapeError("Toeplitz matrix: found an empty first column or row, expected an entry or more");
  }
  if (rows < 1 || columns < 1) {
    throw UsageError(fmt::format("Toeplitz matrix: found {} × {}, expected both from 1 on", rows, columns));
  }
  // Diagonals from the lower left to the upper right: fill, column upside down, row, fill.
  const at::Tensor lower = column.slice(-1, 0, rows), upper = row.slice(-1, 1, columns);
  const at::Tensor known = at::cat({lower.flip(-1), upper}, -1);
  const at::Tensor all = at::constant_pad_nd(known, {rows - lower.size(-1), columns - 1 - upper.size(-1)}, fill);
  const at::TensorOptions whole = at::TensorOptions(at::kLong).device(all.device());
  const at::Tensor index = at::arange(columns, whole) - at::arange(rows, whole).unsqueeze(1) + (rows - 1);
  return all.index_select(-1, index.flatten()).unflatten(-1, {rows, columns});
}

at::Tensor symmetric_noise(at::IntArrayRef batch, std::int64_t size, double variance, std::uint64_t seed) {
  if (size < 1 || !(variance >= 0)) {
    throw UsageError(
        fmt::format("symmetric noise: found size {} and variance {}, expected a size above 0 and a variance "
                    "from 0 on",
                    size, variance));
  }
  std::vector<std::int64_t> shape = batch.vec();
  shape.insert(shape.end(), {size, size});
  const at::Tensor z = normal_numbers(shape, seed, "symmetric noise");
  return (z + z.mT()) * std::sqrt(variance / 2);
}

}  // namespace noema
