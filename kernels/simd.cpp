#include "noema/kernels/simd.h"

#include <cstdlib>
#include <string>

#if defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "noema/core/error.h"

namespace noema {
namespace {

constexpr SimdLevel kLevels[] = {SimdLevel::baseline, SimdLevel::avx2, SimdLevel::avx512, SimdLevel::amx};

#if defined(__x86_64__)
/// Linux hands out the tiles' registers only to processes that ask.
bool ask_for_tiles() {
  constexpr long kAskPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kAskPermission, kTileData) == 0;
}

/// CPUID leaf 7: EDX bits 22 and 24 are AMX-BF16 and AMX-TILE; leaf 7.1: EAX bit 5 is AVX512-BF16.
bool has_tiles() {
  unsigned a = 7, b = 0, c = 0, d = 0;
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  const bool tiles = (d >> 22 & 1) != 0 && (d >> 24 & 1) != 0;
  a = 7;
  c = 1;
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return tiles && (a >> 5 & 1) != 0;
}

SimdLevel detect() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return SimdLevel::baseline;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
    return SimdLevel::avx2;
  }
  return has_tiles() && ask_for_tiles() ? SimdLevel::amx : SimdLevel::avx512;
}
#else
SimdLevel detect() { return SimdLevel::baseline; }
#endif

SimdLevel wanted() {
  const SimdLevel highest = highest_simd_level();
  const char* name = std::getenv("NOEMA_SIMD");
  if (name == nullptr || *name == '\0') return highest;
  for (const SimdLevel level : kLevels) {
    if (name != name_of(level)) continue;
    if (level <= highest) return level;
    throw UsageError(std::string("NOEMA_SIMD is ") + name + ", but the highest level of this machine is " +
                     std::string(name_of(highest)) + "; unset it or name a lower level");
  }
  throw UsageError(std::string("NOEMA_SIMD is '") + name + "', expected baseline, avx2, avx512 or amx");
}

}  // namespace

SimdLevel highest_simd_level() {
  static const SimdLevel level = detect();
  return level;
}

SimdLevel simd_level() {
  static const SimdLevel level = wanted();
  return level;
}

std::string_view name_of(SimdLevel level) {
  constexpr std::string_view kNames[] = {"baseline", "avx2", "avx512", "amx"};
  return kNames[static_cast<int>(level)];
}

}  // namespace noema
