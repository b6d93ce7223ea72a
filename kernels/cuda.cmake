# The GPU's part of the operator: its kernels are torch-free too.
add_library(noema_kernels_cuda STATIC
  cuda/cufft_method.cu
  cuda/failure.cpp
  cuda/long_conv.cpp
  cuda/row_method.cu
  cuda/tile_method.cu
)
add_library(noema::kernels_cuda ALIAS noema_kernels_cuda)
target_link_libraries(noema_kernels_cuda PUBLIC noema::kernels CUDA::cudart PRIVATE $<BUILD_INTERFACE:noema_flags> CUDA::cufft)
target_compile_features(noema_kernels_cuda PUBLIC cxx_std_20)
# Not as a feature: CMake 3.25 does not know that nvcc 13 has it.
target_compile_options(noema_kernels_cuda PRIVATE
  "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;--expt-relaxed-constexpr>")
set_target_properties(noema_kernels_cuda PROPERTIES EXPORT_NAME kernels_cuda POSITION_INDEPENDENT_CODE ON)
install(TARGETS noema_kernels_cuda EXPORT noemaTargets)

# The binding needs a LibTorch with CUDA; the kernels compile without.
if(TARGET noema_libc10_cuda)
  target_sources(noema_kernels_torch PRIVATE cuda/long_conv_op.cpp)
  target_compile_definitions(noema_kernels_torch PRIVATE NOEMA_HAVE_CUDA)
  target_link_libraries(noema_kernels_torch PUBLIC noema::kernels_cuda noema_libc10_cuda)
endif()
