#include "noema/mixers/monarch.h"

#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <cmath>

#include "noema/core/error.h"
#include "noema/mixers/flops.h"
#include "noema/mixers/shared_options.h"

namespace noema {
namespace {

/// x (k, N, p) and w (k, q, p) to (k, N, q).
at::Tensor block_products(const at::Tensor& x, const at::Tensor& w) { return at::bmm(x, w.transpose(1, 2)); }

void require_shapes(bool good, const at::Tensor& x, const at::Tensor& w, const char* expected) {
  if (good) return;
  throw ShapeError(fmt::format("found values of shape [{}] and blocks of shape [{}], expected {}",
                               fmt::join(x.sizes(), ", "), fmt::join(w.sizes(), ", "), expected));
}

at::DimVector with_last(const at::Tensor& x, std::int64_t last) {
  at::DimVector shape(x.sizes());
  shape.back() = last;
  return shape;
}

/// The product with w of x (…, k·p), blocks in front: (k, N, q).
at::Tensor products_of_blocks(const at::Tensor& x, const at::Tensor& w) {
  require_shapes(x.dim() >= 1 && w.dim() == 3 && x.size(-1) == w.size(0) * w.size(2), x, w,
                 "as many values as the blocks have inputs");
  return block_products(x.reshape({-1, w.size(0), w.size(2)}).transpose(0, 1), w);
}

at::Tensor starting_blocks(std::int64_t blocks, std::int64_t out, std::int64_t in, at::Generator& generator) {
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  return at::empty({blocks, out, in}).uniform_(-bound, bound, generator);
}

}  // namespace

at::Tensor block_diagonal_product(const at::Tensor& x, const at::Tensor& w) {
  return products_of_blocks(x, w).transpose(0, 1).reshape(with_last(x, w.size(0) * w.size(1)));
}

at::Tensor monarch_product(const at::Tensor& x, const at::Tensor& w1, const at::Tensor& w2) {
  require_shapes(w2.dim() == 3 && w2.size(0) * w2.size(2) == w1.size(0) * w1.size(1), w1, w2,
                 "factors of which the second has as many inputs as the first has outputs");
  const at::Tensor inner = products_of_blocks(x, w1).transpose(0, 1);                           // (N, k, q)
  const at::Tensor regrouped = inner.reshape({-1, w2.size(2), w2.size(0)}).permute({2, 0, 1});  // (l, N, r)
  const at::Tensor y = block_products(regrouped, w2).permute({1, 2, 0});                        // (N, m, l)
  return y.reshape(with_last(x, w2.size(0) * w2.size(1)));
}

StructuredLinear::StructuredLinear(std::int64_t in, std::int64_t out, std::int64_t blocks, ChannelStructure structure,
                                   at::Generator& generator) {
  if (blocks < 1 || in % blocks != 0 || out % blocks != 0) {
    throw UsageError(
        fmt::format("found {} blocks for {} inputs and {} outputs, expected a divisor of both", blocks, in, out));
  }
  const bool two = structure == ChannelStructure::monarch;
  const std::int64_t block_in = in / blocks, block_out = out / blocks;
  first_ = register_parameter("first", starting_blocks(blocks, two ? block_in : block_out, block_in, generator));
  if (two) second_ = register_parameter("second", starting_blocks(blocks, block_out, block_in, generator));
  bias_ = register_parameter("bias", at::zeros({out}));
}

at::Tensor StructuredLinear::forward(const at::Tensor& x) const {
  return (second_.defined() ? monarch_product(x, first_, second_) : block_diagonal_product(x, first_)) + bias_;
}

std::int64_t StructuredLinear::flops() const {
  return 2 * (first_.numel() + (second_.defined() ? second_.numel() : 0)) + bias_.numel();
}

void MonarchGluOptions::validate() const {
  const auto require = [](bool good, const char* name, std::int64_t found, const char* expected) {
    require_option(good, "Monarch", name, static_cast<double>(found), expected);
  };
  require(channels >= 1, "channels", channels, "at least 1");
  require(blocks >= 1 && channels % blocks == 0, "blocks", blocks, "a divisor of the channels");
  require(hidden >= 0 && hidden % blocks == 0, "hidden", hidden, "a multiple of the blocks, or 0 for 2·channels");
  require_dropout("Monarch", "dropout", dropout);
}

MonarchGlu::MonarchGlu(const MonarchGluOptions& options, at::Generator& generator)
    : options_((options.validate(), options)),
      hidden_(options.hidden > 0 ? options.hidden : 2 * options.channels),
      norm_(register_module("norm", std::make_shared<LayerNorm>(options.channels))) {
  const auto layer = [&](const char* name, std::int64_t in, std::int64_t out) {
    return register_module(name,
                           std::make_shared<StructuredLinear>(in, out, options.blocks, options.structure, generator));
  };
  gate_ = layer("gate", options.channels, hidden_);
  value_ = layer("value", options.channels, hidden_);
  output_ = layer("output", hidden_, options.channels);
}

at::Tensor MonarchGlu::forward(const at::Tensor& x, const at::Tensor& /*mask*/, const Draws& draws) const {
  const at::Tensor v = norm_->forward(x);
  return x + dropout(output_->forward(at::gelu(gate_->forward(v)) * value_->forward(v)), options_.dropout, draws);
}

std::int64_t MonarchGlu::flops(std::int64_t volumes) const {
  return volumes * (gate_->flops() + value_->flops() + output_->flops() + options_.channels * (kNormFlops + 1) +
                    hidden_ * (kActivationFlops + 1));
}

}  // namespace noema
