// preprocess/simd: lets a hot loop use the widest vectors of the processor it runs on.
#pragma once

/// Before a function: compiled for several instruction sets, the best one chosen at start. The results are the same for
/// all of them, because multiplications and additions are never fused (see cmake/NoemaLibrary.cmake).
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define NOEMA_SIMD_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define NOEMA_SIMD_CLONES
#endif
