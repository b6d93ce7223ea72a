# Each level's loops are one source compiled for its instructions; only a processor that has them calls them.
set(_loops -O3 -fno-signed-zeros)
set(_avx2 -mavx2 -mfma)
set(_avx512 ${_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND _avx512 -Wno-maybe-uninitialized)  # g++ 12 finds that in its own header
endif()
set_source_files_properties(cpu/loops_baseline.cpp PROPERTIES COMPILE_OPTIONS "${_loops}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_sources(noema_kernels PRIVATE cpu/loops_avx2.cpp cpu/loops_avx512.cpp cpu/toeplitz_loops_amx.cpp
    cpu/toeplitz_method.cpp)
  set_source_files_properties(cpu/loops_avx2.cpp PROPERTIES COMPILE_OPTIONS "${_loops};${_avx2}")
  set_source_files_properties(cpu/loops_avx512.cpp PROPERTIES COMPILE_OPTIONS "${_loops};${_avx512}")
  set_source_files_properties(cpu/toeplitz_loops_amx.cpp PROPERTIES COMPILE_OPTIONS
    "${_loops};${_avx512};-mavx512bf16;-mamx-tile;-mamx-bf16")
endif()
