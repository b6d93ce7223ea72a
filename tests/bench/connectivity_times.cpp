// Connectivity of arrays that a script gives:
//   connectivity_times KIND SERIES RUNS REGIONS FRAMES REPETITIONS OUT
//   connectivity_times covariance-of|log-of|eigenvalues-of|eigenmaps-of DATA ROWS COLUMNS REPETITIONS OUT
// KIND: correlation, partial-correlation, precision, tangent (converged) or tangent-published (nilearn's stopping
// rule), by Ledoit and Wolf. SERIES: RUNS arrays of REGIONS × FRAMES; DATA: the series whose covariance, or the matrix
// whose logarithm, eigensystem or ten eigenmaps. SERIES, DATA and OUT (what was computed) are raw float64. One line of
// JSON with the seconds.
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

#include <cstdio>
#include <cstdlib>
#include <span>

#include "noema/connectomics/connectivity.h"
#include "noema/connectomics/covariance.h"
#include "noema/connectomics/eigenmaps.h"
#include "noema/connectomics/spd.h"
#include "noema/learn/torch_settings.h"
#include "noema/tests/bench/raw_array.h"

namespace noema {
namespace {

at::Tensor read_tensor(const char* path, const std::vector<std::int64_t>& shape) {
  std::size_t count = 1;
  for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
  std::vector<double> values = read_raw<double>(path, count);
  return at::from_blob(values.data(), shape, at::kDouble).clone();
}

void write_tensor(const char* path, const at::Tensor& tensor) {
  const at::Tensor all = tensor.contiguous();
  write_raw(path, std::vector<double>(all.const_data_ptr<double>(), all.const_data_ptr<double>() + all.numel()));
}

void time_kind(const std::string& kind, std::span<char*> words) {
  const at::Tensor all = read_tensor(words[0], {std::atoll(words[1]), std::atoll(words[2]), std::atoll(words[3])});
  const std::vector<at::Tensor> runs = all.unbind();
  ConnectivityOptions options;
  options.published = kind == "tangent-published";
  options.kind = connectivity_kind(options.published ? "tangent" : kind);
  GroupConnectivity found;
  report_times(kind, std::atoi(words[4]), [&] { found = measure_connectivity(runs, {}, options); });
  write_tensor(words[5], found.matrices);
}

void time_matrix(const std::string& what, std::span<char*> words) {
  const at::Tensor data = read_tensor(words[0], {std::atoll(words[1]), std::atoll(words[2])});
  at::Tensor found;
  report_times(what, std::atoi(words[3]), [&] {
    found = what == "covariance-of"    ? covariance(data)
            : what == "log-of"         ? spd_log(data)
            : what == "eigenvalues-of" ? safe_eigh(data).values
                                       : laplacian_eigenmaps(data, 10).values;
  });
  write_tensor(words[4], found);
}

}  // namespace
}  // namespace noema

int main(int count, char** words) {
  noema::use_torch_settings();
  const std::string what = count > 1 ? words[1] : "";
  const std::span<char*> rest(words + 2, words + std::max(count, 2));
  const bool matrix = what.ends_with("-of");
  if (rest.size() != (matrix ? 5U : 6U)) {
    std::fputs("see the head of connectivity_times.cpp for the words it takes\n", stderr);
    return 2;
  }
  if (matrix) {
    noema::time_matrix(what, rest);
  } else {
    noema::time_kind(what, rest);
  }
}
