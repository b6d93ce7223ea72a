// Compiled for AMX; only a processor that has it calls this.
#include <immintrin.h>

#include <algorithm>

#include "noema/kernels/cpu/toeplitz.h"

namespace noema::cpu {
namespace {

constexpr std::int64_t kTile = 16;        // items of a tile, times of a tile
constexpr std::int64_t kTilesAtOnce = 4;  // of the result

/// 16 numbers as bf16, and what is left of them.
inline __m256i rounded(__m512 x, __m512& rest) {
  const auto high = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x));
  rest = _mm512_sub_ps(x, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16)));
  return high;
}

void split(const float* values, std::int64_t count, std::int64_t next, const Bf16Row& row) {
  for (std::int64_t i = 0; i < count; i += 16) {
    __builtin_prefetch(values + i + next);
    const auto mask = static_cast<__mmask16>(count - i >= 16 ? 0xFFFF : (1 << (count - i)) - 1);
    __m512 rest, nothing;
    const __m256i high = rounded(_mm512_maskz_loadu_ps(mask, values + i), rest);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(row.high + i), high);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(row.low + i), rounded(rest, nothing));
  }
}

inline __m512i pairs_of(__m256i taps, __m256i taps_before) {
  return _mm512_or_si512(_mm512_cvtepu16_epi32(taps), _mm512_slli_epi32(_mm512_cvtepu16_epi32(taps_before), 16));
}

void make_pairs(const float* taps, std::int64_t count, std::uint32_t* high, std::uint32_t* low) {
  for (std::int64_t i = 0; i < count + 2 * kLagMargin; i += 16) {
    __m512 rest, rest_before, nothing;
    const float* at = taps + i - kLagMargin;
    const __m256i now = rounded(_mm512_loadu_ps(at), rest);
    const __m256i before = rounded(_mm512_loadu_ps(i == 0 ? at : at - 1), rest_before);
    _mm512_storeu_si512(high + i, pairs_of(now, before));
    _mm512_storeu_si512(low + i, pairs_of(rounded(rest, nothing), rounded(rest_before, nothing)));
  }
}

struct alignas(64) TileShapes {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

/// Tiles 0 to 3 hold results (items × times), 4 and 5 the rows (items × steps), 6 and 7 the matrix (steps × times).
TileShapes shapes_for(std::int64_t items) {
  TileShapes shapes;
  for (int i = 0; i < 8; ++i) {
    shapes.row_bytes[i] = 64;
    shapes.rows[i] = static_cast<std::uint8_t>(i < 6 ? items : 16);
  }
  return shapes;
}

/// What goes into a tile of results and out of it.
struct Results {
  const float* const* v;
  float* const* y;
  std::int64_t next_y, items, length;
  float tap_zero;
};

void put(const float* tile, const Results& r, std::int64_t time) {
  const std::int64_t left = r.length - time;
  const auto mask = static_cast<__mmask16>(left >= kTile ? 0xFFFF : (1 << left) - 1);
  const __m512 tap = _mm512_set1_ps(r.tap_zero);
  for (std::int64_t item = 0; item < r.items; ++item) {
    const __m512 values = _mm512_maskz_loadu_ps(mask, r.v[item] + time);
    _mm512_mask_storeu_ps(r.y[item] + time, mask, _mm512_fmadd_ps(values, tap, _mm512_load_ps(tile + item * kTile)));
    __builtin_prefetch(r.y[item] + time + r.next_y, /*rw=*/1);
  }
}

// The intrinsics take tiles' numbers as they are written, so this cannot be a function. A row of a tile begins two lags
// before the one above: the matrix is read from the pairs with a negative pitch and never made.
#define NOEMA_ADD_PRODUCT(result)                                                     \
  if (in_reach(time + (result)*kTile)) {                                              \
    const std::int64_t lag = time + (result)*kTile - step + taps.future + kLagMargin; \
    _tile_loadd(6, taps.high + lag, -8);                                              \
    _tile_dpbf16ps(result, 4, 6);                                                     \
    if constexpr (kExact) {                                                           \
      _tile_loadd(7, taps.low + lag, -8);                                             \
      _tile_dpbf16ps(result, 5, 6);                                                   \
      _tile_dpbf16ps(result, 4, 7);                                                   \
    }                                                                                 \
  }

template <bool kExact>
void multiply_rows(const Bf16Row& rows, std::int64_t pitch, const TapPairs& taps, const Results& results) {
  const std::int64_t pitch_bytes = pitch * static_cast<std::int64_t>(sizeof(std::uint16_t)), length = results.length;
  alignas(64) float sums[kTilesAtOnce][kTile * kTile];
  for (std::int64_t time = 0; time < length; time += kTilesAtOnce * kTile) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    const std::int64_t last_time = time + kTilesAtOnce * kTile - 1;
    const std::int64_t first = std::max<std::int64_t>(0, (time - taps.past + 1) / kStep * kStep);
    const std::int64_t end = std::min(length, last_time + taps.future + 1);
    for (std::int64_t step = first; step < end; step += kStep) {
      // Lags of a tile: from its first time less the step's last value to its last time less the step's first.
      const auto in_reach = [&](std::int64_t tile_time) {
        return tile_time < length && tile_time + kTile - 1 - step >= -taps.future &&
               tile_time - step - (kStep - 1) < taps.past;
      };
      _tile_loadd(4, rows.high + step, pitch_bytes);
      if constexpr (kExact) _tile_loadd(5, rows.low + step, pitch_bytes);
      NOEMA_ADD_PRODUCT(0)
      NOEMA_ADD_PRODUCT(1)
      NOEMA_ADD_PRODUCT(2)
      NOEMA_ADD_PRODUCT(3)
    }
    _tile_stored(0, sums[0], 64);
    _tile_stored(1, sums[1], 64);
    _tile_stored(2, sums[2], 64);
    _tile_stored(3, sums[3], 64);
    for (int tile = 0; tile < kTilesAtOnce && time + tile * kTile < length; ++tile) {
      put(sums[tile], results, time + tile * kTile);
    }
  }
}
#undef NOEMA_ADD_PRODUCT

void multiply(const float* const* v, const Bf16Row& rows, std::int64_t pitch, std::int64_t items, std::int64_t length,
              const TapPairs& taps, bool exact, float* const* y, std::int64_t next_y) {
  const TileShapes shapes = shapes_for(items);
  _tile_loadconfig(&shapes);
  const Results results{v, y, next_y, items, length, taps.zero};
  if (exact) {
    multiply_rows<true>(rows, pitch, taps, results);
  } else {
    multiply_rows<false>(rows, pitch, taps, results);
  }
  _tile_release();
}

}  // namespace

const ToeplitzLoops& toeplitz_loops_amx() {
  static constexpr ToeplitzLoops kLoops = {split, make_pairs, multiply};
  return kLoops;
}

}  // namespace noema::cpu
