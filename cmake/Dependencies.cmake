# The libraries of Debian, each wrapped as one target where its own CMake files are missing or broken.
function(noema_require found package what)
  if(NOT ${found})
    message(FATAL_ERROR "${what} was not found. On Debian: apt-get install ${package}")
  endif()
endfunction()

# Eigen: its own threads would be OpenMP's, which this project does not use.
find_package(Eigen3 3.4 QUIET NO_MODULE)
noema_require(Eigen3_FOUND libeigen3-dev "Eigen 3.4")
find_package(fmt QUIET)
noema_require(fmt_FOUND libfmt-dev "fmt")
find_package(nlohmann_json 3.11 QUIET)
noema_require(nlohmann_json_FOUND nlohmann-json3-dev "nlohmann-json 3.11")
find_package(CLI11 QUIET)
noema_require(CLI11_FOUND libcli11-dev "CLI11")
find_package(tomlplusplus QUIET)
noema_require(tomlplusplus_FOUND libtomlplusplus-dev "toml++")
find_package(pugixml QUIET)
noema_require(pugixml_FOUND libpugixml-dev "pugixml")
find_package(ZLIB QUIET)
noema_require(ZLIB_FOUND zlib1g-dev "zlib")
find_package(Threads REQUIRED)
set(HDF5_PREFER_PARALLEL OFF)
find_package(HDF5 QUIET COMPONENTS C)
noema_require(HDF5_FOUND libhdf5-dev "HDF5 (C library)")
find_package(Boost 1.74 QUIET)  # headers only: Boost.Math distributions
noema_require(Boost_FOUND libboost-math-dev "Boost.Math")
find_path(NOEMA_SPECTRA_INCLUDE_DIR Spectra/SymEigsSolver.h)  # headers only, over Eigen: few eigenpairs of large matrices
noema_require(NOEMA_SPECTRA_INCLUDE_DIR libspectra-dev "Spectra 1.0")
# Only these ITK modules: with ITK's IO modules a second NIfTI library would be in the process.
set(_log_level "${CMAKE_MESSAGE_LOG_LEVEL}")
set(CMAKE_MESSAGE_LOG_LEVEL WARNING)  # Debian's ITK names GDCM programs that need not be installed, at length
find_package(ITK 5.2 QUIET COMPONENTS ITKCommon ITKImageFunction ITKRegistrationMethodsv4 ITKTransform)
set(CMAKE_MESSAGE_LOG_LEVEL "${_log_level}")
noema_require(ITK_FOUND libinsighttoolkit5-dev "ITK 5.2")

function(noema_imported_library target header library package)
  find_path(${target}_INCLUDE_DIR ${header} PATH_SUFFIXES nifti)
  find_library(${target}_LIBRARY ${library})
  if(NOT ${target}_INCLUDE_DIR OR NOT ${target}_LIBRARY)
    message(FATAL_ERROR "${library} was not found. On Debian: apt-get install ${package}")
  endif()
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${target} SYSTEM INTERFACE "${${target}_INCLUDE_DIR}")
  target_link_libraries(${target} INTERFACE "${${target}_LIBRARY}")
endfunction()

# Debian's NIFTIConfig names a file that does not exist. libnifti2 alone reads both versions; nothing
# else that defines the same symbols (libniftiio, ITKIONIFTI) may be linked.
noema_imported_library(noema_nifti nifti2_io.h nifti2 libnifti2-dev)
find_library(noema_znz_LIBRARY znz)
target_link_libraries(noema_nifti INTERFACE "${noema_znz_LIBRARY}")
noema_imported_library(noema_xxhash xxhash.h xxhash libxxhash-dev)
noema_imported_library(noema_isal isa-l.h isal libisal-dev)

add_library(noema_itk INTERFACE IMPORTED GLOBAL)
target_include_directories(noema_itk SYSTEM INTERFACE ${ITK_INCLUDE_DIRS})
target_link_libraries(noema_itk INTERFACE ${ITK_LIBRARIES})
target_compile_definitions(noema_itk INTERFACE ITK_USE_SYSTEM_EIGEN)  # its own copy has the same include guards

add_library(noema_hdf5 INTERFACE IMPORTED GLOBAL)
target_include_directories(noema_hdf5 SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
target_link_libraries(noema_hdf5 INTERFACE ${HDF5_C_LIBRARIES})
