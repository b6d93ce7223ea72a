// mixers/layers: the parts of which the networks are made.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <optional>

namespace noema {

/// What random numbers of training are drawn from. Without it a network is a function of its input: nothing is dropped.
using Draws = std::optional<at::Generator>;

/// Zeroes each value with probability `p` and divides the others by 1 − p; `x` itself without `draws`.
at::Tensor dropout(const at::Tensor& x, double p, const Draws& draws);

/// y = x·Wᵀ + b over the last axis, or without b; W and b start uniform in ±1/√in, from `generator`.
class Linear : public torch::nn::Module {
 public:
  Linear(std::int64_t in, std::int64_t out, at::Generator& generator, bool offset = true);
  at::Tensor forward(const at::Tensor& x) const;

 private:
  at::Tensor weight_;  // (out, in)
  at::Tensor bias_;    // (out), or undefined
};

/// Zero mean and unit variance over the last axis, then a learned scale and offset (Ba et al. 2016, arXiv 1607.06450).
class LayerNorm : public torch::nn::Module {
 public:
  explicit LayerNorm(std::int64_t channels);
  at::Tensor forward(const at::Tensor& x) const;

 private:
  at::Tensor weight_;  // (C)
  at::Tensor bias_;    // (C)
};

/// 3×3×3 convolution of volumes with padding 1, then zero mean and unit variance of each volume (GroupNorm of one
/// group) with a learned scale and offset for each channel, then GELU.
class VolumeConvolution : public torch::nn::Module {
 public:
  VolumeConvolution(std::int64_t in, std::int64_t out, std::array<std::int64_t, 3> stride, at::Generator& generator);
  /// (B, in, X, Y, Z) → (B, out, X', Y', Z') with X' = ⌈X / stride⌉.
  at::Tensor forward(const at::Tensor& x) const;

 private:
  std::array<std::int64_t, 3> stride_;
  at::Tensor weight_;  // (out, in, 3, 3, 3)
  at::Tensor bias_;    // (out)
  at::Tensor norm_weight_;
  at::Tensor norm_bias_;
};

}  // namespace noema
