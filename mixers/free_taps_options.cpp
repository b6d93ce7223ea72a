#include "noema/mixers/free_taps_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <string>
#include <vector>

#include "noema/core/error.h"

namespace noema {

void require_free_taps(std::string_view mixer, const LongKernelOptions& options, const LongKernelOptions& usual) {
  if (options.kernel.kind == KernelKind::taps) return;
  std::vector<std::string> idle;
  const auto note = [&](const char* name, auto found, auto as_usual, auto off) {
    if (found != as_usual && found != off) idle.push_back(fmt::format("{} = {}", name, found));
  };
  if (options.start != usual.start) idle.emplace_back("start");
  note("squash_threshold", options.squash_threshold, usual.squash_threshold, 0.0);
  note("smooth_width", options.smooth_width, usual.smooth_width, std::int64_t{1});
  note("published_smoothing", options.published_smoothing, usual.published_smoothing, false);
  note("kernel_dropout", options.dropout, usual.dropout, 0.0);
  if (idle.empty()) return;
  throw UsageError(fmt::format(
      "found {} for a {} whose kernel has no free taps, on which alone they act; expected kernel = \"taps\", "
      "or these options left out",
      fmt::join(idle, ", "), mixer));
}

}  // namespace noema
