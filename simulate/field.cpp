#include "noema/simulate/field.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/core/random.h"

namespace noema {
namespace {

std::vector<float> gaussian(double sd_voxels) {
  const int radius = static_cast<int>(std::floor(4 * sd_voxels + 0.5));
  std::vector<float> weights;
  for (int offset = -radius; offset <= radius; ++offset) {
    weights.push_back(offset == 0 ? 1.0F : static_cast<float>(std::exp(-0.5 * std::pow(offset / sd_voxels, 2))));
  }
  return weights;
}

std::vector<float> unit_scale(const std::vector<float>& kernel, std::int64_t length) {
  const auto radius = static_cast<std::int64_t>(kernel.size() / 2);
  std::vector<float> scale;
  for (std::int64_t i = 0; i < length; ++i) {
    double variance = 0;
    for (std::int64_t offset = std::max(-radius, -i); offset <= std::min(radius, length - 1 - i); ++offset) {
      variance += std::pow(static_cast<double>(kernel[static_cast<std::size_t>(offset + radius)]), 2);
    }
    scale.push_back(static_cast<float>(1 / std::sqrt(variance)));
  }
  return scale;
}

}  // namespace

FieldSource::FieldSource(const std::array<std::int64_t, 3>& shape, double sd_voxels)
    : shape_(shape), kernel_(gaussian(sd_voxels)) {
  for (std::size_t axis = 0; axis < 3; ++axis) scale_[axis] = unit_scale(kernel_, shape[axis]);
}

void FieldSource::smooth_x(std::span<float> plane) const {
  const std::int64_t length = shape_[0];
  const auto radius = static_cast<std::int64_t>(kernel_.size() / 2);
  std::vector<float> padded(static_cast<std::size_t>(length + 2 * radius), 0.0F);
  for (std::int64_t begin = 0; begin < static_cast<std::int64_t>(plane.size()); begin += length) {
    std::copy_n(plane.begin() + begin, length, padded.begin() + radius);
    for (std::int64_t i = 0; i < length; ++i) {
      float sum = 0;
      for (std::size_t k = 0; k < kernel_.size(); ++k) sum += kernel_[k] * padded[static_cast<std::size_t>(i) + k];
      plane[static_cast<std::size_t>(begin + i)] = sum * scale_[0][static_cast<std::size_t>(i)];
    }
  }
}

/// Along y or z whole rows of x are added, which the compiler turns into vector instructions.
void FieldSource::smooth_rows(int axis, std::span<const float> in, std::span<float> out) const {
  const auto radius = static_cast<std::int64_t>(kernel_.size() / 2);
  const std::int64_t row = shape_[0];
  const std::int64_t step = axis == 1 ? row : row * shape_[1];
  const auto a = static_cast<std::size_t>(axis);
  parallel_for(shape_[1] * shape_[2], 1 + 20'000 / row, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t place = axis == 1 ? r % shape_[1] : r / shape_[1];
      const float scale = scale_[a][static_cast<std::size_t>(place)];
      float* to = out.data() + r * row;
      std::fill_n(to, row, 0.0F);
      for (std::int64_t o = std::max(-radius, -place); o <= std::min(radius, shape_[a] - 1 - place); ++o) {
        const float weight = kernel_[static_cast<std::size_t>(o + radius)] * scale;
        const float* from = in.data() + r * row + o * step;
        for (std::int64_t i = 0; i < row; ++i) to[i] += weight * from[i];
      }
    }
  });
}

void FieldSource::draw(const FieldKey& key, std::span<float> field) const {
  const std::int64_t plane = shape_[0] * shape_[1];
  if (static_cast<std::int64_t>(field.size()) != plane * shape_[2]) {
    throw ShapeError(fmt::format("a field of {} values for {} voxels", field.size(), plane * shape_[2]));
  }
  parallel_for(shape_[2], 1 + 10'000 / plane, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t z = begin; z < end; ++z) {
      RandomStream random(key.seed, key.purpose,
                          {key.indices[0], key.indices[1], key.indices[2], static_cast<std::uint64_t>(z)});
      const auto values = field.subspan(static_cast<std::size_t>(z * plane), static_cast<std::size_t>(plane));
      for (float& value : values) value = static_cast<float>(random.normal());
      if (kernel_.size() > 1) smooth_x(values);
    }
  });
  if (kernel_.size() == 1) return;
  std::vector<float> half(field.size());
  smooth_rows(1, field, half);
  smooth_rows(2, half, field);
}

}  // namespace noema
