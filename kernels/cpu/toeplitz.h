// kernels/cpu/toeplitz: rows times the Toeplitz matrix of a kernel, on tiles of bf16 (AMX).
#pragma once

#include <cstdint>

namespace noema::cpu {

/// A number as the sum of two bf16: the nearest one and the nearest to the rest. Both products with one of another
/// number's two and one with its rest give what bf16 alone loses: 16 bits.
struct Bf16Row {
  std::uint16_t* high;
  std::uint16_t* low;
};

/// For each lag from −future − kLagMargin on the pair (tap of the lag, tap of the lag before), the first in the low
/// half.
struct TapPairs {
  const std::uint32_t* high;
  const std::uint32_t* low;
  std::int64_t past, future;
  /// The tap of lag 0, which is zero in the pairs: with a skip term it can be as large as all others together, and its
  /// products are exact enough in float32 alone.
  float zero;
};
constexpr std::int64_t kLagMargin = 64;
constexpr std::int64_t kItemsInTile = 16;
/// Rows are padded with zeros to whole steps.
constexpr std::int64_t kStep = 32;

struct ToeplitzLoops {
  /// Fetches from `next` values on as many as it reads.
  void (*split)(const float* values, std::int64_t count, std::int64_t next, const Bf16Row& row);
  /// `taps` has kLagMargin zeros before and behind.
  void (*make_pairs)(const float* taps, std::int64_t count, std::uint32_t* high, std::uint32_t* low);
  /// y[item][t] ← Σ tap(t − s) · v[item][s], for up to kItemsInTile items, of which `rows` has the parts, `pitch`
  /// apart. `exact`: in three products, else of the high parts alone.
  void (*multiply)(const float* const* v, const Bf16Row& rows, std::int64_t pitch, std::int64_t items,
                   std::int64_t length, const TapPairs& taps, bool exact, float* const* y, std::int64_t next_y);
};

const ToeplitzLoops& toeplitz_loops_amx();

}  // namespace noema::cpu
