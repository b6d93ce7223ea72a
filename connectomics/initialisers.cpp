// Draws from counter-based streams, copied into tensors.
#include "noema/connectomics/initialisers.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <vector>

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
