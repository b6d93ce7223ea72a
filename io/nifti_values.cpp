#include "noema/io/nifti_values.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

namespace noema {
namespace {

// Calls `work` with a value of the C++ type that belongs to the NIfTI type.
template <class Work>
decltype(auto) with_type(NiftiType type, Work&& work) {
  switch (type) {
    case NiftiType::uint8:
      return work(std::uint8_t{});
    case NiftiType::int16:
      return work(std::int16_t{});
    case NiftiType::int32:
      return work(std::int32_t{});
    case NiftiType::float64:
      return work(double{});
    case NiftiType::int8:
      return work(std::int8_t{});
    case NiftiType::uint16:
      return work(std::uint16_t{});
    case NiftiType::uint32:
      return work(std::uint32_t{});
    case NiftiType::int64:
      return work(std::int64_t{});
    case NiftiType::uint64:
      return work(std::uint64_t{});
    case NiftiType::float32:
      break;
  }
  return work(float{});
}

template <std::size_t bytes>
using Bits = std::conditional_t<
    bytes == 1, std::uint8_t,
    std::conditional_t<bytes == 2, std::uint16_t, std::conditional_t<bytes == 4, std::uint32_t, std::uint64_t>>>;

template <class T, bool swap>
T load(const std::byte* from) {
  Bits<sizeof(T)> bits;
  std::memcpy(&bits, from, sizeof(T));
  if constexpr (swap && sizeof(T) == 2) bits = __builtin_bswap16(bits);
  if constexpr (swap && sizeof(T) == 4) bits = __builtin_bswap32(bits);
  if constexpr (swap && sizeof(T) == 8) bits = __builtin_bswap64(bits);
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

template <class T, bool swap, bool scaled, class Out>
void decode(const std::byte* bytes, std::int64_t count, NiftiScaling scaling, Out* out, std::int64_t step) {
  const auto value = [&](std::int64_t i) {
    const T stored = load<T, swap>(bytes + i * static_cast<std::int64_t>(sizeof(T)));
    if constexpr (scaled) return static_cast<Out>(scaling.slope * static_cast<double>(stored) + scaling.intercept);
    return static_cast<Out>(stored);
  };
  // The two usual steps are written out so that the compiler makes vector code of them.
  if (step == 1) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = value(i);
  } else if (step == -1) {
    for (std::int64_t i = 0; i < count; ++i) out[-i] = value(i);
  } else {
    for (std::int64_t i = 0; i < count; ++i) out[i * step] = value(i);
  }
}

// The limits of an integer type as numbers that compare right with doubles: low ≤ value < end.
template <class T>
constexpr double kLow = static_cast<double>(std::numeric_limits<T>::min());
template <class T>
constexpr double kEnd = 2.0 * static_cast<double>(T{1} << (std::numeric_limits<T>::digits - 1));

template <class T>
bool holds(double value) {
  return value >= kLow<T> && value < kEnd<T> && value == std::floor(value);  // NaN fails the first comparison
}

template <class T, bool scaled, class In>
std::int64_t encode(const In* in, std::int64_t step, std::int64_t count, NiftiScaling scaling, std::byte* bytes) {
  for (std::int64_t i = 0; i < count; ++i) {
    T stored;
    if constexpr (std::is_integral_v<T>) {
      double value = static_cast<double>(in[i * step]);
      if constexpr (scaled) value = std::nearbyint((value - scaling.intercept) / scaling.slope);
      if (!holds<T>(value)) return i;
      stored = static_cast<T>(value);
    } else {
      stored = static_cast<T>(in[i * step]);
    }
    std::memcpy(bytes + i * static_cast<std::int64_t>(sizeof(T)), &stored, sizeof(T));
  }
  return count;
}

// The next float32 number that is not smaller.
double float_up(double value) {
  float result = static_cast<float>(value);
  if (result < value) result = std::nextafter(result, std::numeric_limits<float>::infinity());
  return result;
}

}  // namespace

std::int64_t bytes_of(NiftiType type) {
  return with_type(type, [](auto sample) { return static_cast<std::int64_t>(sizeof(sample)); });
}

bool is_integer(NiftiType type) {
  return with_type(type, [](auto sample) { return std::is_integral_v<decltype(sample)>; });
}

template <class Out>
DecodeValues<Out> value_decoder(NiftiType type, bool swap_bytes, NiftiScaling scaling) {
  return with_type(type, [&](auto sample) -> DecodeValues<Out> {
    using T = decltype(sample);
    if (scaling.none()) return swap_bytes ? decode<T, true, false, Out> : decode<T, false, false, Out>;
    return swap_bytes ? decode<T, true, true, Out> : decode<T, false, true, Out>;
  });
}
template DecodeValues<float> value_decoder<float>(NiftiType, bool, NiftiScaling);
template DecodeValues<double> value_decoder<double>(NiftiType, bool, NiftiScaling);

template <class In>
EncodeValues<In> value_encoder(NiftiType type, bool scaled) {
  return with_type(type, [&](auto sample) -> EncodeValues<In> {
    using T = decltype(sample);
    return scaled ? encode<T, true, In> : encode<T, false, In>;
  });
}
template EncodeValues<float> value_encoder<float>(NiftiType, bool);
template EncodeValues<double> value_encoder<double>(NiftiType, bool);

bool fits(NiftiType type, double value) {
  return with_type(type, [&](auto sample) {
    if constexpr (std::is_integral_v<decltype(sample)>) return holds<decltype(sample)>(value);
    return true;
  });
}

NiftiScaling scaling_for(NiftiType type, double low, double high, bool single_precision) {
  constexpr double kExact = 4503599627370496;  // 2^52: with the sign the 53 bits of a double
  const auto [first, last] = with_type(type, [](auto sample) {
    using T = decltype(sample);
    if constexpr (sizeof(T) == 8)
      return std::pair(std::is_signed_v<T> ? -kExact : 0.0, std::is_signed_v<T> ? kExact : 2 * kExact);
    return std::pair(static_cast<double>(std::numeric_limits<T>::lowest()),
                     static_cast<double>(std::numeric_limits<T>::max()));
  });
  const double exact_slope = high / (last - first) - low / (last - first);  // the difference itself may overflow
  double intercept = first == 0 ? low : low - exact_slope * first;
  if (single_precision) {
    intercept = static_cast<float>(intercept);
    if (first == 0 && intercept > low) {
      intercept = std::nextafter(static_cast<float>(intercept), -std::numeric_limits<float>::infinity());
    }
  }
  // Rounding moved the intercept, so the slope is made from what is left on either side of it.
  double slope = (high - intercept) / last;
  if (first < 0) slope = std::max(slope, (low - intercept) / first);
  if (single_precision) slope = float_up(slope);
  return {slope > 0 ? slope : 1, intercept};
}

}  // namespace noema
