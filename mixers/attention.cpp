#include "noema/mixers/attention.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <vector>

#include "noema/mixers/flops.h"

namespace noema {
namespace {

/// Queries that see together no more than about three windows of keys.
std::int64_t block_of(const AttentionReach& reach, std::int64_t queries) {
  constexpr std::int64_t kLeast = 64;
  return reach.window == 0 ? queries : std::max(reach.window, kLeast);
}

/// (T, S): may the query at time first_query + t see the key at first_key + s?
at::Tensor pairs_seen(const AttentionReach& reach, std::int64_t first_query, std::int64_t queries,
                      std::int64_t first_key, std::int64_t keys, at::Device device) {
  const auto options = at::TensorOptions(at::kLong).device(device);
  const at::Tensor t = at::arange(first_query, first_query + queries, options).unsqueeze(1);
  const at::Tensor s = at::arange(first_key, first_key + keys, options).unsqueeze(0);
  const at::Tensor behind = t - s;
  at::Tensor seen = reach.causal ? behind.ge(0) : at::ones({queries, keys}, options.dtype(at::kBool));
  if (reach.window > 0) seen = seen & behind.abs().lt(reach.window);
  return seen;
}

/// Pairs that see each other, of `volumes` queries and keys.
std::int64_t pair_count(const AttentionReach& reach, std::int64_t volumes) {
  const std::int64_t window = reach.window == 0 ? volumes : std::min(reach.window, volumes);
  const std::int64_t before = window * volumes - window * (window - 1) / 2;  // and itself
  return reach.causal ? before : 2 * before - volumes;
}

}  // namespace

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionReach& reach,
                     const at::Tensor& mask, std::int64_t first) {
  const std::int64_t shared = q.size(1) / k.size(1), queries = q.size(2), keys = k.size(2);
  const at::Tensor all_k = shared == 1 ? k : k.repeat_interleave(shared, 1);
  const at::Tensor all_v = shared == 1 ? v : v.repeat_interleave(shared, 1);
  const at::Tensor some_padded = mask.defined() && !mask.all().item<bool>() ? mask.ne(0) : at::Tensor();
  const bool square = first == 0 && queries == keys && reach.window == 0;
  if (!some_padded.defined() && (square || (reach.window == 0 && !reach.causal))) {
    return at::scaled_dot_product_attention(q, all_k, all_v, {}, 0, reach.causal);
  }
  const std::int64_t block = block_of(reach, queries);
  std::vector<at::Tensor> parts;
  for (std::int64_t begin = 0; begin < queries; begin += block) {
    const std::int64_t count = std::min(block, queries - begin), time = first + begin;
    const std::int64_t from = reach.window == 0 ? 0 : std::max<std::int64_t>(0, time - reach.window + 1);
    const std::int64_t behind = reach.window == 0 ? keys : time + count + reach.window - 1;
    const std::int64_t to = reach.causal ? time + count : std::min(keys, behind);
    at::Tensor seen = pairs_seen(reach, time, count, from, to - from, q.device());
    if (some_padded.defined()) {
      const at::Tensor own = pairs_seen({false, 1}, time, count, from, to - from, q.device());
      const at::Tensor real = some_padded.narrow(1, from, to - from).view({-1, 1, 1, to - from});
      seen = seen & (real | own);  // (B, 1, T, S)
    }
    parts.push_back(at::scaled_dot_product_attention(q.narrow(2, begin, count), all_k.narrow(2, from, to - from),
                                                     all_v.narrow(2, from, to - from), seen));
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts, 2);
}

at::Tensor rotated(const at::Tensor& x, std::int64_t first) {
  const std::int64_t volumes = x.size(-2), half = x.size(-1) / 2;
  const auto options = at::TensorOptions(at::kDouble).device(x.device());
  const at::Tensor rates = at::pow(10000.0, at::arange(half, options) / -static_cast<double>(half));
  const at::Tensor angles = at::arange(first, first + volumes, options).unsqueeze(1) * rates;  // (T, D/2)
  const at::Tensor cosine = angles.cos().to(x.dtype()), sine = angles.sin().to(x.dtype());
  const at::Tensor a = x.narrow(-1, 0, half), b = x.narrow(-1, half, half);
  return at::cat({a * cosine - b * sine, a * sine + b * cosine}, -1);
}

void AttentionOptions::validate() const {
  const auto require = [](bool good, const char* name, std::int64_t found, const char* expected) {
    require_option(good, "attention", name, static_cast<double>(found), expected);
  };
  require(channels >= 1, "channels", channels, "at least 1");
  require(heads >= 1 && channels % heads == 0, "heads", heads, "a divisor of the channels");
  require(groups >= 1 && heads % groups == 0, "groups", groups, "a divisor of the heads");
  require(!rotary || (channels / heads) % 2 == 0, "channels", channels,
          "an even number for each head; or rotary = false");
  require(reach.window >= 0, "window", reach.window, "at least 1, or 0 for all volumes");
  require(volumes >= 1, "volumes", volumes, "at least 1");
  require_option(dropout >= 0 && dropout < 1, "attention", "dropout", dropout, "a number from 0 to below 1");
}

Attention::Attention(const AttentionOptions& options, at::Generator& generator)
    : options_((options.validate(), options)),
      norm_(register_module("norm", std::make_shared<LayerNorm>(options.channels))),
      input_(register_module(
          "input", std::make_shared<Linear>(options.channels, options.channels + 2 * options.groups * head_channels(),
                                            generator))),
      output_(register_module("output", std::make_shared<Linear>(options.channels, options.channels, generator))) {}

Attention::Heads Attention::heads_of(const at::Tensor& x) const {
  const std::int64_t kept = options_.groups * head_channels();
  const auto parts = input_->forward(norm_->forward(x)).split_with_sizes({options_.channels, kept, kept}, -1);
  const auto split = [&](const at::Tensor& part, std::int64_t heads) {
    return part.view({x.size(0), x.size(1), heads, head_channels()}).transpose(1, 2);
  };
  return {split(parts[0], options_.heads), split(parts[1], options_.groups), split(parts[2], options_.groups)};
}

at::Tensor Attention::seen_by(const Heads& heads, const at::Tensor& mask) const {
  const std::int64_t first = heads.k.size(2) - heads.q.size(2);
  const at::Tensor q = options_.rotary ? rotated(heads.q, first) : heads.q;
  const at::Tensor k = options_.rotary ? rotated(heads.k) : heads.k;
  const at::Tensor seen = attention(q, k, heads.v, options_.reach, mask, first).transpose(1, 2);  // (B, T, H, D)
  return output_->forward(seen.reshape({seen.size(0), seen.size(1), options_.channels}));
}

at::Tensor Attention::forward(const at::Tensor& x, const at::Tensor& mask, const Draws& draws) const {
  return x + dropout(seen_by(heads_of(x), mask.squeeze(-1)), options_.dropout, draws);
}

MixerState Attention::initial_state(std::int64_t batch) const {
  if (!has_recurrence()) return Mixer::initial_state(batch);
  const auto options = parameters().front().options().requires_grad(false);
  const at::Tensor none = at::zeros({batch, options_.groups, 0, head_channels()}, options);
  return {none, none};
}

at::Tensor Attention::advance(const at::Tensor& x, MixerState& state) const {
  if (!has_recurrence()) return Mixer::advance(x, state);
  Heads heads = heads_of(x);
  heads.k = at::cat({state.at(0), heads.k}, 2);
  heads.v = at::cat({state.at(1), heads.v}, 2);
  const std::int64_t window = options_.reach.window, keys = heads.k.size(2);
  const std::int64_t kept = window > 0 ? std::min(window - 1, keys) : keys;
  state[0] = heads.k.narrow(2, keys - kept, kept).clone();
  state[1] = heads.v.narrow(2, keys - kept, kept).clone();
  return x + seen_by(heads, {});
}

std::int64_t Attention::flops(std::int64_t volumes) const {
  const std::int64_t channels = options_.channels, kept = options_.groups * head_channels();
  const std::int64_t pairs = pair_count(options_.reach, volumes);
  const std::int64_t rotation = options_.rotary ? 3 * volumes * (channels + kept) : 0;
  return product_flops(volumes, channels, 2 * channels + 2 * kept) + rotation +
         pairs * (4 * channels + kActivationFlops * options_.heads) + volumes * channels * (kNormFlops + 1);
}

std::int64_t Attention::state_bytes() const {
  const std::int64_t kept = options_.groups * head_channels(), window = options_.reach.window;
  const auto bytes = static_cast<std::int64_t>(parameters().front().element_size());
  if (options_.reach.causal) return 2 * kept * (window > 0 ? window - 1 : options_.volumes) * bytes;
  const std::int64_t at_hand = window > 0 ? 2 * window - 2 : options_.volumes;
  const std::int64_t waiting = window > 0 ? window - 1 : options_.volumes;
  return (2 * kept * at_hand + 2 * options_.channels * waiting) * bytes;
}

}  // namespace noema
