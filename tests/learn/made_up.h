// Small made-up runs for the tests of this room.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/random.h"
#include "noema/learn/labels.h"
#include "noema/learn/samples.h"

namespace noema::made_up {

/// A run of `volumes` with its own noise in `features` columns.
inline LearningRun run(const std::string& subject, const std::string& number, double tr_s, int volumes,
                       std::vector<Event> events, int features = 3) {
  LearningRun made;
  made.id = "sub-" + subject + "_run-" + number;
  made.subject = subject;
  made.run = number;
  made.events = std::move(events);
  made.series.tr_s = tr_s;
  made.series.keep.assign(static_cast<std::size_t>(volumes), 1);
  made.series.values.resize(volumes, features);
  RandomStream random(1, made.id);
  for (Eigen::Index i = 0; i < made.series.values.size(); ++i) {
    made.series.values.data()[i] = static_cast<float>(random.normal());
  }
  return made;
}

/// Events of 10 s, one for each letter, every `step_s` from 0 on.
inline std::vector<Event> letters(const std::string& labels, double step_s) {
  std::vector<Event> events;
  for (char label : labels)
    events.push_back({static_cast<double>(events.size()) * step_s, 10, std::string(1, label), 1});
  return events;
}

/// The message of the error of this type that `work` throws; a failure if it throws none.
template <typename Wanted>
std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Wanted& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "threw another error: " << error.what();
    return "";
  }
  ADD_FAILURE() << "threw nothing";
  return "";
}

/// All warnings that `work` says, joined by newlines.
inline std::string warnings_of(const std::function<void()>& work) {
  WarningCollector collector;
  work();
  std::string all;
  for (const auto& entry : collector.entries()) all += entry.message + "\n";
  return all;
}

/// A folder of its own for each test, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "noema-learn-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw IoError(name, "cannot be made");
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
    return path_ / name;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace noema::made_up
