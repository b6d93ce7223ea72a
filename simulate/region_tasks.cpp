#include "noema/simulate/region_tasks.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <string>

#include "noema/core/error.h"
#include "noema/core/random.h"
#include "noema/glm/hrf.h"

namespace noema {
namespace {

constexpr double kTr_s = 2;

/// One sequence of the set.
struct Row {
  std::span<float> series;        // (T, R)
  std::span<std::int64_t> asked;  // (T), or empty
  std::span<float> wanted;        // (T, R), or empty
};

struct Patterns {
  std::vector<float> values;  // (K + 1, R)
  std::vector<float> response;
};

std::int64_t a_code(const SequenceTaskOptions& options, RandomStream& random) {
  return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(options.vocabulary)));
}

/// Adds weight·pattern to a volume.
void show(const SequenceTaskOptions& options, const Patterns& patterns, std::int64_t code, float weight,
          std::int64_t volume, const Row& row) {
  for (std::int64_t r = 0; r < options.regions; ++r) {
    row.series[static_cast<std::size_t>(volume * options.regions + r)] +=
        weight * patterns.values[static_cast<std::size_t>(code * options.regions + r)];
  }
}

void draw_lagged_response(const SequenceTaskOptions& options, const Patterns& patterns, RandomStream& random,
                          const Row& row) {
  std::int64_t onset = static_cast<std::int64_t>(random.below(4));
  for (; onset < options.length; onset += 3 + static_cast<std::int64_t>(random.below(4))) {
    const std::int64_t code = a_code(options, random), question = onset + options.lag;
    for (std::size_t i = 0; i < patterns.response.size(); ++i) {
      const std::int64_t volume = onset + static_cast<std::int64_t>(i);
      if (volume < options.length) show(options, patterns, code, patterns.response[i], volume, row);
    }
    if (question < options.length) row.asked[static_cast<std::size_t>(question)] = code;
  }
}

void draw_copy(const SequenceTaskOptions& options, const Patterns& patterns, RandomStream& random, const Row& row) {
  const std::int64_t n = options.copies, shown = options.length - n - 1;
  auto places = random.permutation(shown);
  std::sort(places.begin(), places.begin() + n);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t code = a_code(options, random);
    show(options, patterns, code, 1, places[static_cast<std::size_t>(i)], row);
    row.asked[static_cast<std::size_t>(shown + 1 + i)] = code;
  }
  show(options, patterns, options.vocabulary, 1, shown, row);
}

/// Σ_m a_m·cos(π m (t + ½)/T) for m = 1 …, of unit variance over sequences and volumes.
void draw_courses(const SequenceTaskOptions& options, RandomStream& random, const Row& row) {
  for (std::int64_t r = 0; r < options.regions; ++r) {
    for (std::int64_t m = 1; m <= options.cosines; ++m) {
      const double weight = random.normal() * std::sqrt(2.0 / static_cast<double>(options.cosines));
      for (std::int64_t t = 0; t < options.length; ++t) {
        const double phase = std::numbers::pi * static_cast<double>(m) * (static_cast<double>(t) + 0.5);
        row.wanted[static_cast<std::size_t>(t * options.regions + r)] +=
            static_cast<float>(weight * std::cos(phase / static_cast<double>(options.length)));
      }
    }
  }
  std::copy(row.wanted.begin(), row.wanted.end(), row.series.begin());
}

void draw(const SequenceTaskOptions& options, const Patterns& patterns, RandomStream& random, const Row& row) {
  if (options.task == SequenceTask::lagged_response) {
    draw_lagged_response(options, patterns, random, row);
  } else if (options.task == SequenceTask::noisy_region_copy) {
    draw_copy(options, patterns, random, row);
  } else if (options.task == SequenceTask::band_limited_compression) {
    draw_courses(options, random, row);
  } else {
    throw UsageError("this task is not one on regions");
  }
  for (float& value : row.series) value += static_cast<float>(options.noise_sd * random.normal());
}

}  // namespace

std::vector<float> code_patterns(const SequenceTaskOptions& options) {
  RandomStream random(options.seed, "patterns of codes");
  std::vector<float> patterns(static_cast<std::size_t>((options.vocabulary + 1) * options.regions));
  for (float& value : patterns) value = static_cast<float>(random.normal());
  return patterns;
}

std::vector<float> event_response() {
  std::vector<double> values;
  for (double time_s = 0; time_s < kHrfLength_s; time_s += kTr_s) values.push_back(hrf_at(spm_shape(), time_s));
  const double peak = *std::max_element(values.begin(), values.end());
  std::vector<float> response;
  for (const double value : values) response.push_back(static_cast<float>(value / peak));
  return response;
}

SequenceSet draw_region_sequences(const SequenceTaskOptions& options, bool training) {
  const Patterns patterns{code_patterns(options), event_response()};
  const bool courses = options.task == SequenceTask::band_limited_compression;
  SequenceSet set;
  set.count = training ? options.training : options.testing;
  set.length = options.length;
  const auto places = static_cast<std::size_t>(options.length);
  const std::size_t values = places * static_cast<std::size_t>(options.regions);
  set.series.resize(static_cast<std::size_t>(set.count) * values);
  if (courses) set.wanted.resize(set.series.size());
  if (!courses) set.asked.assign(static_cast<std::size_t>(set.count) * places, kNotAsked);
  const std::string purpose = std::string(name_of(options.task)) + (training ? " training" : " testing");
  for (std::size_t n = 0; n < static_cast<std::size_t>(set.count); ++n) {
    RandomStream random(options.seed, purpose, {n});
    Row row{std::span(set.series).subspan(n * values, values), {}, {}};
    if (courses) row.wanted = std::span(set.wanted).subspan(n * values, values);
    if (!courses) row.asked = std::span(set.asked).subspan(n * places, places);
    draw(options, patterns, random, row);
  }
  return set;
}

}  // namespace noema
