#include "noema/io/seeds.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "noema/core/error.h"
#include "noema/io/table.h"

namespace noema {

Seeds read_seeds(const std::filesystem::path& path) {
  const Table table = read_table(path);
  return with_context(fmt::format("seeds '{}'", path.string()), [&] {
    if (table.rows() == 0) throw DataError("the table has no rows, expected one for each point");
    const std::vector<double> x = table.numbers("x"), y = table.numbers("y"), z = table.numbers("z");
    Seeds seeds;
    std::set<std::string> known;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::string name = table.has("name") ? table.column("name")[i] : fmt::format("seed-{:03}", i + 1);
      seeds.ras_mm.emplace_back(x[i], y[i], z[i]);
      if (!seeds.ras_mm.back().allFinite()) {
        throw DataError(
            fmt::format("row {} ('{}'): found ({}, {}, {}), expected millimetres", i + 1, name, x[i], y[i], z[i]));
      }
      if (name.empty() || name == "n/a" || !known.insert(name).second) {
        throw DataError(fmt::format("row {}: the name '{}' is empty or taken; give each point its own", i + 1, name));
      }
      seeds.names.push_back(name);
    }
    return seeds;
  });
}

}  // namespace noema
