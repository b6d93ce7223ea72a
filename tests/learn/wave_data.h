// Rows that Python and C++ make alike: sin((i+1)(j+2)·0.37) + cos(3 (i mod K) + j) / 2 as float32, labels i mod K.
#pragma once

#include <cmath>
#include <vector>

#include "noema/io/series.h"

namespace noema {

struct WaveData {
  MatrixF rows;
  std::vector<int> labels;
  int classes;

  WaveData(int count, int features, int number) : rows(count, features), classes(number) {
    for (int i = 0; i < count; ++i) {
      labels.push_back(i % number);
      for (int j = 0; j < features; ++j) {
        rows(i, j) =
            static_cast<float>(std::sin((i + 1.0) * (j + 2.0) * 0.37) + 0.5 * std::cos(3.0 * (i % number) + j));
      }
    }
  }
};

}  // namespace noema
