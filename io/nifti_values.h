// io/nifti_values: numbers of a file to numbers of the machine and back.
#pragma once

#include <cstddef>
#include <cstdint>

#include "noema/io/nifti.h"

namespace noema {

std::int64_t bytes_of(NiftiType type);
bool is_integer(NiftiType type);

/// value = slope · stored + intercept.
struct NiftiScaling {
  double slope = 1;
  double intercept = 0;

  bool none() const { return slope == 1 && intercept == 0; }
};

/// Reads `count` numbers that lie side by side in `bytes` and puts them at out[0], out[step], out[2·step] …
template <class Out>
using DecodeValues = void (*)(const std::byte* bytes, std::int64_t count, NiftiScaling scaling, Out* out,
                              std::int64_t step);
template <class Out>
DecodeValues<Out> value_decoder(NiftiType type, bool swap_bytes, NiftiScaling scaling);

/// The inverse, in the machine's byte order; integer types hold round((value − intercept) / slope) if `scaled`, else
/// the value itself, which must be a whole number then. Returns how many were written: fewer than `count` when the next
/// one cannot be held by an integer type.
template <class In>
using EncodeValues = std::int64_t (*)(const In* in, std::int64_t step, std::int64_t count, NiftiScaling scaling,
                                      std::byte* bytes);
template <class In>
EncodeValues<In> value_encoder(NiftiType type, bool scaled);

/// Can an integer type hold this value as it is?
bool fits(NiftiType type, double value);

/// The scaling that spreads [low, high] over an integer type, with slope and intercept exact in float32 where
/// `single_precision` (NIfTI-1): every value of the range then falls inside the type.
NiftiScaling scaling_for(NiftiType type, double low, double high, bool single_precision);

}  // namespace noema
