// tests/bench/raw_array: arrays that a script wrote (numpy's tofile), and how long work on them takes.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace noema {

/// All numbers of a file of raw float32, float64 or int32 (`Number`), in its order; there must be `count`.
template <class Number>
std::vector<Number> read_raw(const std::string& path, std::size_t count) {
  std::ifstream file(path, std::ios::binary);
  std::vector<Number> values(count);
  const auto bytes = static_cast<std::streamsize>(count * sizeof(Number));
  file.read(reinterpret_cast<char*>(values.data()), bytes);
  if (file.gcount() != bytes || file.peek() != std::ifstream::traits_type::eof()) {
    throw std::runtime_error(path + ": expected " + std::to_string(count) + " numbers of " +
                             std::to_string(sizeof(Number)) + " bytes");
  }
  return values;
}

template <class Number>
void write_raw(const std::string& path, const std::vector<Number>& values) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(Number)));
}

/// Seconds by the clock, least, median and largest of some runs, and the least of processor time.
struct Times {
  double least, median, most, processor;
};

inline Times times_of(int repetitions, const std::function<void()>& work) {
  std::vector<double> seconds;
  double processor = std::numeric_limits<double>::infinity();
  for (int r = 0; r < repetitions; ++r) {
    const std::clock_t ticks = std::clock();
    const auto begin = std::chrono::steady_clock::now();
    work();
    processor = std::min(processor, static_cast<double>(std::clock() - ticks) / CLOCKS_PER_SEC);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return {seconds.front(), seconds[seconds.size() / 2], seconds.back(), processor};
}

/// Runs `work` so many times and prints one line of JSON of its times.
inline void report_times(const std::string& name, int repetitions, const std::function<void()>& work) {
  const Times times = times_of(repetitions, work);
  std::printf(
      "{\"name\": \"%s\", \"repetitions\": %d, \"min_s\": %.6f, \"median_s\": %.6f, \"max_s\": %.6f, "
      "\"processor_s\": %.6f}\n",
      name.c_str(), repetitions, times.least, times.median, times.most, times.processor);
}

}  // namespace noema
