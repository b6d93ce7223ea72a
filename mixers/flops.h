// mixers/flops: how floating-point operations are counted, for the mixers' own files.
#pragma once

#include <cstdint>

namespace noema {

/// Of one value: LayerNorm, and a smooth function such as GELU, SiLU or a sigmoid.
constexpr std::int64_t kNormFlops = 8;
constexpr std::int64_t kActivationFlops = 10;

/// Of a dense layer of `in` × `out` weights at each of `volumes`.
constexpr std::int64_t product_flops(std::int64_t volumes, std::int64_t in, std::int64_t out) {
  return 2 * volumes * in * out;
}

}  // namespace noema
