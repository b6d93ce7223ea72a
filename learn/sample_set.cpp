// Gathering samples' features.
#include "noema/learn/sample_set.h"

#include <fmt/format.h>

#include "noema/core/error.h"

namespace noema {

std::int64_t SampleSet::features() const {
  if (!runs || runs->empty()) throw DataError("found a sample set without runs, expected at least one run");
  return runs->front().series.values.cols();
}

std::vector<int> SampleSet::labels() const {
  std::vector<int> list;
  list.reserve(samples.size());
  for (const Sample& sample : samples) list.push_back(sample.label);
  return list;
}

MatrixF sample_means(const SampleSet& set) {
  MatrixF means = MatrixF::Zero(set.size(), set.features());
  for (std::int64_t n = 0; n < set.size(); ++n) {
    const Sample& sample = set.samples[static_cast<std::size_t>(n)];
    const MatrixF& values = set.runs->at(static_cast<std::size_t>(sample.run)).series.values;
    for (std::size_t i = 0; i < sample.volumes.size(); ++i)
      means.row(n) += sample.weights[i] * values.row(sample.volumes[i]);
  }
  return means;
}

MatrixF sample_volumes(const SampleSet& set, std::vector<int>* sample_of_row) {
  std::int64_t rows = 0;
  for (const Sample& sample : set.samples) rows += static_cast<std::int64_t>(sample.volumes.size());
  MatrixF volumes(rows, set.features());
  if (sample_of_row) sample_of_row->clear();
  std::int64_t row = 0;
  for (std::size_t n = 0; n < set.samples.size(); ++n) {
    const Sample& sample = set.samples[n];
    const MatrixF& values = set.runs->at(static_cast<std::size_t>(sample.run)).series.values;
    for (const int volume : sample.volumes) {
      volumes.row(row++) = values.row(volume);
      if (sample_of_row) sample_of_row->push_back(static_cast<int>(n));
    }
  }
  return volumes;
}

SampleSet subset(const SampleSet& set, const std::vector<int>& indices) {
  SampleSet part{set.runs, {}, set.classes};
  part.samples.reserve(indices.size());
  for (const int index : indices) part.samples.push_back(set.samples.at(static_cast<std::size_t>(index)));
  return part;
}

}  // namespace noema
