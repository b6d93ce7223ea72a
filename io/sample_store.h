// io/sample_store: preprocessed runs of a dataset in one HDF5 file, with random access to windows of time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "noema/io/dataset.h"
#include "noema/io/events.h"
#include "noema/io/series.h"

namespace noema {

/// One preprocessed run and all that learning needs of it.
struct StoredRun {
  /// "sub-01_ses-02_task-x_run-01"; unique in a store.
  std::string id;
  Entities entities;
  /// `series.features` is the store's, shared by all runs.
  Series series;
  std::vector<Event> events;
  /// (T, Q): motion, global signal and the like, for the baseline that sees nothing else.
  MatrixD nuisance;
  std::vector<std::string> nuisance_names;
  /// What was done to the run, in order.
  std::vector<std::string> notes;
};

/// What can be known of a run without reading it.
struct StoredRunInfo {
  std::string id;
  Entities entities;
  std::int64_t volumes = 0;
  std::int64_t features = 0;
  double tr_s = 0;
  double start_s = 0;
};

/// Writes a store run by run (one run in memory at a time), all or nothing. Schema: docs/sample-store.md.
class SampleStoreWriter {
 public:
  /// @param provenance  JSON text, kept as it is.
  /// @throws IoError; ShapeError if the parts of the feature space do not fit each other.
  SampleStoreWriter(const std::filesystem::path& path, const FeatureSpace& features, const std::string& provenance);
  ~SampleStoreWriter();
  SampleStoreWriter(const SampleStoreWriter&) = delete;
  SampleStoreWriter& operator=(const SampleStoreWriter&) = delete;

  /// @throws ShapeError if values, keep mask, nuisance or names do not fit the features or each other; DataError for an
  /// id that is there already or entities that no BIDS name can hold; IoError.
  void add_run(const StoredRun& run);
  /// Gives the file its name; nothing may be added then. @throws IoError
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A store opened for reading. All functions may be called from several threads (HDF5 answers one at a time).
class SampleStore {
 public:
  /// Reads and checks all but the runs. @throws IoError; FormatError for a file that is cut off, damaged, of another
  /// kind, or of a newer schema.
  static SampleStore open(const std::filesystem::path& path);
  ~SampleStore();
  SampleStore(SampleStore&&) noexcept;
  SampleStore& operator=(SampleStore&&) noexcept;

  const std::shared_ptr<const FeatureSpace>& features() const;
  /// The JSON text given to the writer.
  const std::string& provenance() const;
  const std::vector<StoredRunInfo>& runs() const;

  /// Reads run `index` and checks its checksums. @throws UsageError without such a run; IoError, FormatError
  StoredRun read_run(std::int64_t index) const;
  /// (count, F): the volumes [first, first + count) of run `index`; reads only the chunks they lie in.
  /// @throws UsageError outside the run; IoError, FormatError (a damaged chunk)
  MatrixF read_window(std::int64_t index, std::int64_t first, std::int64_t count) const;
  /// Reads everything and compares all checksums. @throws FormatError naming the damaged part; Cancelled
  void verify() const;

 private:
  struct State;
  explicit SampleStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace noema
