message(STATUS "noema ${PROJECT_VERSION} (${CMAKE_BUILD_TYPE}, ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION})")
message(STATUS "  LibTorch  ${NOEMA_LIBTORCH}")
message(STATUS "  ITK ${ITK_VERSION}, HDF5 ${HDF5_VERSION}, Eigen ${Eigen3_VERSION}, nifti ${noema_nifti_LIBRARY}")
message(STATUS "  CUDA code ${NOEMA_HAVE_CUDA}, ccache ${CCACHE}, unity ${NOEMA_UNITY}, tests ${NOEMA_DEVELOPER}")
