#include "noema/learn/hcp_windows.h"

#include <algorithm>
#include <cmath>

#include "noema/learn/samples.h"

namespace noema {

std::vector<Event> hcp_windows(const std::vector<Event>& events, const Series& series) {
  const auto volumes = static_cast<double>(series.volumes());
  const double tr_s = series.tr_s, slack = kTimeTolerance_s / tr_s;
  std::vector<int> owner(static_cast<std::size_t>(series.volumes()), -1);
  for (std::size_t e = 0; e < events.size(); ++e) {
    const double first = std::ceil((events[e].onset_s - series.start_s) / tr_s + 1 - slack);
    const double last = std::floor((events[e].end_s() - series.start_s) / tr_s + 2 + slack);
    const auto begin = static_cast<std::size_t>(std::clamp(first, 0.0, volumes));
    const auto end = static_cast<std::size_t>(std::clamp(last + 1, 0.0, volumes));
    for (std::size_t k = begin; k < end; ++k) owner[k] = static_cast<int>(e);
  }
  std::vector<Event> stretches;
  for (std::size_t begin = 0, end = 0; begin < owner.size(); begin = end) {
    while (end < owner.size() && owner[end] == owner[begin]) ++end;
    if (owner[begin] < 0) continue;
    stretches.push_back({series.start_s + static_cast<double>(begin) * tr_s, static_cast<double>(end - begin) * tr_s,
                         events[static_cast<std::size_t>(owner[begin])].label, 1});
  }
  return stretches;
}

}  // namespace noema
