# cmake --install: the command, the libraries, the headers and the CMake package `noema`.
include(CMakePackageConfigHelpers)
set(_package "${CMAKE_INSTALL_LIBDIR}/cmake/noema")
install(EXPORT noemaTargets NAMESPACE noema:: DESTINATION "${_package}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/noemaConfig.cmake.in" "${PROJECT_BINARY_DIR}/noemaConfig.cmake"
  INSTALL_DESTINATION "${_package}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/noemaConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/noemaConfig.cmake" "${PROJECT_BINARY_DIR}/noemaConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/Dependencies.cmake" "${PROJECT_SOURCE_DIR}/cmake/LibTorch.cmake" DESTINATION "${_package}")
