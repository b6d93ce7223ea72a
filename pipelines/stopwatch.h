// pipelines/stopwatch: how long the stages of a run took.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "noema/core/log.h"

namespace noema {

/// Wall-clock seconds of stages, in the order of their first use.
class Stopwatch {
 public:
  template <class Work>
  auto time(const std::string& stage, Work&& work) {
    log_debug("stage: " + stage);
    const auto start = std::chrono::steady_clock::now();
    struct Stop {
      Stopwatch& watch;
      const std::string& stage;
      std::chrono::steady_clock::time_point start;
      ~Stop() { watch.add(stage, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()); }
    } stop{*this, stage, start};
    return work();
  }
  const std::vector<std::pair<std::string, double>>& seconds() const { return seconds_; }

 private:
  void add(const std::string& stage, double s) {
    for (auto& [name, sum] : seconds_) {
      if (name == stage) {
        sum += s;
        return;
      }
    }
    seconds_.emplace_back(stage, s);
  }
  std::vector<std::pair<std::string, double>> seconds_;
};

}  // namespace noema
