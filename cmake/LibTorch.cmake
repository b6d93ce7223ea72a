# Finds LibTorch and wraps it as noema_torch. Order: the user's (-DTorch_DIR=<torch>/share/cmake/Torch or
# -DCMAKE_PREFIX_PATH=<torch>), then what the bootstrap unpacked (NOEMA_LIBTORCH, or its place in the cache).
# LibTorch's own CMake files are not used: those of the CUDA wheel are fatal without its exact toolkit.
set(_cache "$ENV{NOEMA_CACHE}")
if(NOT _cache)
  set(_cache "$ENV{HOME}/.cache/noema")
endif()
set(_hints "$ENV{NOEMA_LIBTORCH}" "${_cache}/libtorch-2.11.0/torch")
if(Torch_DIR)
  list(PREPEND _hints "${Torch_DIR}/../../..")
endif()
find_library(NOEMA_TORCH_CPU_LIBRARY torch_cpu HINTS ${CMAKE_PREFIX_PATH} ${_hints} PATH_SUFFIXES lib NO_CMAKE_SYSTEM_PATH)
if(NOT NOEMA_TORCH_CPU_LIBRARY)
  message(FATAL_ERROR "LibTorch was not found. Run ./tests/run.sh or ./examples/quickstart.sh once (they fetch it), "
    "or give your own with -DTorch_DIR=<torch>/share/cmake/Torch or -DCMAKE_PREFIX_PATH=<torch>")
endif()
get_filename_component(_lib "${NOEMA_TORCH_CPU_LIBRARY}" DIRECTORY)
get_filename_component(NOEMA_LIBTORCH "${_lib}" DIRECTORY)

add_library(noema_torch INTERFACE IMPORTED GLOBAL)
foreach(name IN ITEMS torch_cpu c10)
  add_library(noema_lib${name} SHARED IMPORTED GLOBAL)
  set_target_properties(noema_lib${name} PROPERTIES IMPORTED_LOCATION "${_lib}/lib${name}.so")
  target_link_libraries(noema_torch INTERFACE noema_lib${name})
endforeach()
# After the system's folders: LibTorch's copies of fmt and others must not shadow them.
foreach(directory IN ITEMS include include/torch/csrc/api/include)
  target_compile_options(noema_torch INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-idirafter${NOEMA_LIBTORCH}/${directory}>")
endforeach()
if(NOEMA_HAVE_CUDA AND EXISTS "${_lib}/libc10_cuda.so")
  add_library(noema_libc10_cuda SHARED IMPORTED GLOBAL)
  set_target_properties(noema_libc10_cuda PROPERTIES IMPORTED_LOCATION "${_lib}/libc10_cuda.so")
endif()
list(APPEND CMAKE_BUILD_RPATH "${_lib}")
