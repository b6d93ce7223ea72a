// core/random: counter-based random numbers. A stream is named by what it is for, not by when it is drawn.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace noema {

/// A stream of random numbers that depends only on its key (seed, purpose, indices), never on other draws or threads.
///
/// Philox 4x32-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405): the key is a hash of seed and purpose, the counter's
/// high half a hash of the indices (subject, run, epoch, sample …), its low half counts the draws.
class RandomStream {
 public:
  using result_type = std::uint64_t;

  RandomStream(std::uint64_t seed, std::string_view purpose, std::initializer_list<std::uint64_t> indices = {});

  /// 64 random bits.
  std::uint64_t next();
  /// Uniform in [0, 1), 53 bits.
  double uniform();
  /// Standard normal (Box and Muller).
  double normal();
  /// Uniform integer in [0, bound), without bias; `bound` > 0.
  std::uint64_t below(std::uint64_t bound);
  /// A uniformly random order of 0 … n−1 (Fisher and Yates).
  std::vector<std::int64_t> permutation(std::int64_t n);

  // The standard's UniformRandomBitGenerator.
  static constexpr std::uint64_t min() { return 0; }
  static constexpr std::uint64_t max() { return ~std::uint64_t{0}; }
  std::uint64_t operator()() { return next(); }

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_;
  int used_ = 4;
  bool has_spare_ = false;
  double spare_ = 0;
};

/// One Philox 4x32-10 block: the function behind `RandomStream`, for tests against the published vectors.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

}  // namespace noema
