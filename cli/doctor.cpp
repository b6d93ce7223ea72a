// noema doctor: what was built, what is here, and whether the known clashes are absent.
#include <ATen/Config.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/format.h>
#include <hdf5.h>
#include <itkConfigure.h>
#include <itkVersion.h>
#include <link.h>
#include <torch/version.h>
#include <Eigen/Core>

#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "noema/cli/commands.h"
#include "noema/core/settings.h"
#include "noema/core/version.h"

namespace noema {
namespace {

std::vector<std::string> loaded_libraries() {
  std::vector<std::string> names;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* list) {
        static_cast<std::vector<std::string>*>(list)->emplace_back(info->dlpi_name);
        return 0;
      },
      &names);
  return names;
}

/// Different files whose names contain one of `patterns`.
std::set<std::string> matching(const std::vector<std::string>& libraries,
                               const std::vector<std::string_view>& patterns) {
  std::set<std::string> found;
  for (const std::string& library : libraries) {
    const std::string name = library.substr(library.rfind('/') + 1);
    for (const std::string_view pattern : patterns) {
      if (name.find(pattern) != std::string::npos) found.insert(library);
    }
  }
  return found;
}

struct Clash {
  std::string what;
  std::vector<std::string_view> patterns;
  std::size_t most;
};

/// Prints one line for each check and returns how many failed.
int check_clashes() {
  const std::vector<std::string> libraries = loaded_libraries();
  const std::vector<Clash> clashes{
      {"one OpenMP runtime in the process", {"libgomp", "libiomp5", "libomp.so"}, 1},
      {"one NIfTI library in the process", {"libnifti2", "libniftiio", "libITKniftiio", "libITKIONIFTI"}, 1},
      {"no second MKL beside LibTorch's", {"libmkl_rt", "libmkl_core"}, 0},
      {"one HDF5 in the process", {"libhdf5_serial.so", "libhdf5.so", "libhdf5-"}, 1},
  };
  int failed = 0;
  for (const Clash& clash : clashes) {
    const std::set<std::string> found = matching(libraries, clash.patterns);
    const bool good = found.size() <= clash.most;
    fmt::print("{:<4} {}\n", good ? "ok" : "BAD", clash.what);
    for (const std::string& library : good ? std::set<std::string>{} : found) fmt::print("       {}\n", library);
    failed += good ? 0 : 1;
  }
  return failed;
}

std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("{}.{}.{}", major, minor, release);
}

/// The nifti library says its version nowhere but in the name of its file.
std::string nifti_version() {
  const std::set<std::string> found = matching(loaded_libraries(), {"libnifti2"});
  return found.empty() ? "not loaded" : std::filesystem::canonical(*found.begin()).filename().string();
}

/// The line of LibTorch's build settings that names the BLAS.
std::string blas() {
  if (at::hasMKL()) return at::get_mkl_version().substr(0, at::get_mkl_version().find(" for "));
  std::istringstream lines(at::show_config());
  for (std::string line; std::getline(lines, line);) {
    if (line.find("BLAS") != std::string::npos) return line;
  }
  return "unknown";
}

void print_facts() {
  const BuildInfo& build = build_info();
  const std::vector<std::pair<std::string, std::string>> facts{
      {"noema", fmt::format("{} ({}, {})", build.version, build.git_revision, build.build_type)},
      {"compiler", build.compiler},
      {"LibTorch", TORCH_VERSION},
      {"BLAS", blas()},
      {"ITK", itk::Version::GetITKVersion()},
      {"HDF5", hdf5_version()},
      {"nifti", nifti_version()},
      {"Eigen", fmt::format("{}.{}.{}", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION)},
      {"SIMD level", at::get_cpu_capability()},
      {"threads", fmt::format("{} (LibTorch {})", thread_count(), at::get_num_threads())},
      {"CUDA", at::hasCUDA() ? "yes" : "no"},
      {"device", device()},
  };
  for (const auto& [name, value] : facts) fmt::print("{:<12}{}\n", name, value);
}

}  // namespace

CommandSpec doctor_command() {
  CommandSpec spec;
  spec.name = "doctor";
  spec.synopsis = "Versions, processors and devices, and a check for known clashes of libraries";
  spec.description = {
      "Prints the versions of noema and of the libraries it runs with, the BLAS, the threads, the SIMD level that "
      "LibTorch "
      "chose, and whether a CUDA device can be used; then looks through the libraries loaded into the process for the "
      "combinations that are known to give crashes or wrong numbers. The exit status is 1 when one is found."};
  spec.examples = {{"noema doctor", "What to add to a bug report."}};
  spec.run = [](const CommandArguments&) {
    print_facts();
    return check_clashes() == 0 ? 0 : 1;
  };
  return spec;
}

}  // namespace noema
