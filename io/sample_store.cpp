#include "noema/io/sample_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/io/atomic_file.h"
#include "noema/io/cifti.h"
#include "noema/io/hdf5.h"

namespace noema {
namespace {

using hdf5::Node;

constexpr const char* kSchemaAttribute = "noema_schema";
constexpr const char* kSchema = "sample-store 1";
/// Small enough that a window of a few volumes costs little, large enough that a whole run reads fast.
constexpr std::int64_t kChunkBytes = 256 * 1024;

std::int64_t length_of(const auto& list) { return static_cast<std::int64_t>(list.size()); }

std::string run_name(std::int64_t index) { return fmt::format("{:06}", index); }

// --- writing

void write_features(const Node& parent, const FeatureSpace& features) {
  const Node group = hdf5::create_group(parent, "features");
  hdf5::write_attribute(group, "kind", std::string(feature_kind_name(features.kind)));
  hdf5::write_attribute(group, "space", features.space);
  hdf5::write_attribute(group, "atlas_hash", features.atlas_hash);
  const Eigen::Matrix<double, 4, 4, Eigen::RowMajor> affine = features.mask.grid.ras_from_voxel;
  const std::int64_t voxels = features.mask.size();
  hdf5::write_array(group, "grid_shape", {3}, features.mask.grid.shape.data());
  hdf5::write_array(group, "ras_from_voxel", {4, 4}, affine.data());
  hdf5::write_array(group, "voxels", {voxels}, features.mask.voxels.data());
  hdf5::write_texts(group, "names", features.names);
  if (features.mask.grid.grayordinates != nullptr) {
    const std::string text = brain_models_text(*features.mask.grid.grayordinates);
    hdf5::write_array(group, "grayordinates", {static_cast<std::int64_t>(text.size())},
                      reinterpret_cast<const std::uint8_t*>(text.data()));
  }
  if (features.kind == FeatureKind::parcels) {
    hdf5::write_array(group, "parcel_of_voxel", {voxels}, features.parcel_of_voxel.data());
  }
  if (features.kind == FeatureKind::maps) {
    hdf5::write_array(group, "map_weights", {voxels, features.map_weights.cols()}, features.map_weights.data());
  }
  hdf5::seal(group);
}

/// "sub-01_task-x": keys and values that hold the separators themselves could not be read back.
std::string entities_text(const Entities& entities) {
  std::string text;
  for (const auto& [key, value] : entities) {
    if (key.empty() || key.find_first_of("-_") != std::string::npos || value.find('_') != std::string::npos) {
      throw DataError(fmt::format("'{}-{}' is no BIDS entity", key, value));
    }
    text += (text.empty() ? "" : "_") + key + "-" + value;
  }
  return text;
}

void write_events_table(const Node& parent, const std::vector<Event>& events) {
  const Node group = hdf5::create_group(parent, "events");
  std::vector<double> onsets, durations, modulations;
  std::vector<std::string> labels;
  for (const Event& event : events) {
    onsets.push_back(event.onset_s);
    durations.push_back(event.duration_s);
    modulations.push_back(event.modulation);
    labels.push_back(event.label);
  }
  const std::int64_t count = length_of(events);
  hdf5::write_array(group, "onset_s", {count}, onsets.data());
  hdf5::write_array(group, "duration_s", {count}, durations.data());
  hdf5::write_array(group, "modulation", {count}, modulations.data());
  hdf5::write_texts(group, "label", labels);
  hdf5::seal(group);
}

void write_run(const Node& group, const StoredRun& run) {
  const Series& series = run.series;
  hdf5::write_attribute(group, "id", run.id);
  hdf5::write_attribute(group, "entities", entities_text(run.entities));
  hdf5::write_attribute(group, "tr_s", series.tr_s);
  hdf5::write_attribute(group, "start_s", series.start_s);
  const std::int64_t row_bytes = std::max<std::int64_t>(series.values.cols() * std::int64_t{sizeof(float)}, 1);
  const std::int64_t chunk_rows = std::max<std::int64_t>(kChunkBytes / row_bytes, 1);
  const std::int64_t volumes = series.volumes();
  hdf5::write_array(group, "values", {volumes, series.values.cols()}, series.values.data(), chunk_rows);
  hdf5::write_array(group, "keep", {volumes}, series.keep.data());
  hdf5::write_array(group, "nuisance", {volumes, run.nuisance.cols()}, run.nuisance.data());
  hdf5::write_texts(group, "nuisance_names", run.nuisance_names);
  hdf5::write_texts(group, "notes", run.notes);
  write_events_table(group, run.events);
  hdf5::seal(group);
}

void check_run(const StoredRun& run, std::int64_t features) {
  const std::int64_t volumes = run.series.volumes();
  if (run.series.values.cols() != features) {
    throw ShapeError(fmt::format("{} features, expected the store's {}", run.series.values.cols(), features));
  }
  if (length_of(run.series.keep) != volumes) {
    throw ShapeError(fmt::format("a keep mask of {} for {} volumes", run.series.keep.size(), volumes));
  }
  if (run.nuisance.cols() != length_of(run.nuisance_names) ||
      (run.nuisance.cols() > 0 && run.nuisance.rows() != volumes)) {
    throw ShapeError(fmt::format("{} × {} nuisance values for {} volumes and {} names", run.nuisance.rows(),
                                 run.nuisance.cols(), volumes, run.nuisance_names.size()));
  }
}

// --- reading

[[noreturn]] void fail_schema(const Node& node, const std::string& what) {
  throw FormatError(node.file, -1, fmt::format("'{}' does not follow the schema '{}': {}", node.name, kSchema, what));
}

void expect(const Node& node, bool holds, const char* what) {
  if (!holds) fail_schema(node, what);
}

void check_schema(const Node& file) {
  if (!hdf5::has_attribute(file, kSchemaAttribute)) {
    throw FormatError(file.file, -1,
                      fmt::format("is HDF5 but no sample store: it has no attribute '{}'", kSchemaAttribute));
  }
  const std::string schema = hdf5::read_text_attribute(file, kSchemaAttribute);
  if (schema == kSchema) return;
  throw FormatError(
      file.file, -1,
      fmt::format("has the schema '{}', expected '{}'; read it with the version that wrote it, or make the "
                  "file again",
                  schema, kSchema));
}

FeatureKind kind_of(const Node& group) {
  const std::string name = hdf5::read_text_attribute(group, "kind");
  const auto kind = parse_feature_kind(name);
  if (!kind) fail_schema(group, fmt::format("unknown kind of features '{}'", name));
  return *kind;
}

FeatureSpace read_features(const Node& file) {
  const Node group = hdf5::open_group(file, "features");
  hdf5::check_seal(group);
  FeatureSpace features;
  features.kind = kind_of(group);
  features.space = hdf5::read_text_attribute(group, "space");
  features.atlas_hash = hdf5::read_text_attribute(group, "atlas_hash");
  const auto shape = hdf5::read_array<std::int64_t>(group, "grid_shape");
  const auto affine = hdf5::read_array<double>(group, "ras_from_voxel");
  expect(group, shape.values.size() == 3 && affine.values.size() == 16, "a grid has 3 lengths and 4 × 4 numbers");
  std::copy(shape.values.begin(), shape.values.end(), features.mask.grid.shape.begin());
  features.mask.grid.ras_from_voxel =
      Eigen::Map<const Eigen::Matrix<double, 4, 4, Eigen::RowMajor>>(affine.values.data());
  if (const auto names = hdf5::members(group); std::find(names.begin(), names.end(), "grayordinates") != names.end()) {
    const std::vector<std::uint8_t> text = hdf5::read_array<std::uint8_t>(group, "grayordinates").values;
    features.mask.grid = grid_of(parse_brain_models({text.begin(), text.end()}, group.file));
    expect(group, features.mask.grid.shape[0] == shape.values[0], "the shape is not the number of grayordinates");
  }
  features.mask.voxels = hdf5::read_array<std::int64_t>(group, "voxels").values;
  features.names = hdf5::read_texts(group, "names");
  if (features.kind == FeatureKind::parcels) {
    features.parcel_of_voxel = hdf5::read_array<std::int32_t>(group, "parcel_of_voxel").values;
  }
  if (features.kind == FeatureKind::maps) {
    const auto weights = hdf5::read_array<float>(group, "map_weights");
    expect(group, weights.shape.size() == 2, "map weights are no matrix");
    features.map_weights = Eigen::Map<const MatrixF>(weights.values.data(), weights.shape[0], weights.shape[1]);
  }
  with_context(fmt::format("'{}'", group.file.string()), [&] { check_features(features); });
  return features;
}

Entities parse_entities(const std::string& text) {
  Entities entities;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('_', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    const std::size_t dash = std::min(word.find('-'), word.size());
    entities[word.substr(0, dash)] = word.substr(std::min(dash + 1, word.size()));
    begin = end + 1;
  }
  return entities;
}

StoredRunInfo read_info(const Node& group) {
  const auto shape = hdf5::array_shape(group, "values");
  expect(group, shape.size() == 2, "'values' is no matrix");
  return {hdf5::read_text_attribute(group, "id"),
          parse_entities(hdf5::read_text_attribute(group, "entities")),
          shape[0],
          shape[1],
          hdf5::read_number_attribute(group, "tr_s"),
          hdf5::read_number_attribute(group, "start_s")};
}

std::vector<Event> read_events_table(const Node& parent) {
  const Node group = hdf5::open_group(parent, "events");
  hdf5::check_seal(group);
  const auto onsets = hdf5::read_array<double>(group, "onset_s").values;
  const auto durations = hdf5::read_array<double>(group, "duration_s").values;
  const auto modulations = hdf5::read_array<double>(group, "modulation").values;
  const auto labels = hdf5::read_texts(group, "label");
  expect(group,
         durations.size() == onsets.size() && modulations.size() == onsets.size() && labels.size() == onsets.size(),
         "columns of unequal length");
  std::vector<Event> events;
  for (std::size_t i = 0; i < onsets.size(); ++i)
    events.push_back({onsets[i], durations[i], labels[i], modulations[i]});
  return events;
}

template <class Matrix>
Matrix read_matrix(const Node& group, const std::string& name) {
  const auto array = hdf5::read_array<typename Matrix::Scalar>(group, name);
  expect(group, array.shape.size() == 2, "a matrix has two axes");
  return Eigen::Map<const Matrix>(array.values.data(), array.shape[0], array.shape[1]);
}

StoredRun read_stored_run(const Node& group, const std::shared_ptr<const FeatureSpace>& features) {
  hdf5::check_seal(group);
  const StoredRunInfo info = read_info(group);
  StoredRun run{info.id, info.entities, {}, {}, {}, {}, {}};
  run.series.values = read_matrix<MatrixF>(group, "values");
  run.series.features = features;
  run.series.tr_s = info.tr_s;
  run.series.start_s = info.start_s;
  run.series.keep = hdf5::read_array<std::uint8_t>(group, "keep").values;
  run.nuisance = read_matrix<MatrixD>(group, "nuisance");
  run.nuisance_names = hdf5::read_texts(group, "nuisance_names");
  run.notes = hdf5::read_texts(group, "notes");
  run.events = read_events_table(group);
  with_context(fmt::format("'{}': run '{}'", group.file.string(), run.id), [&] { check_run(run, features->count()); });
  return run;
}

}  // namespace

struct SampleStoreWriter::State {
  AtomicFile target;
  Node file;
  Node runs;
  std::int64_t features = 0;
  std::set<std::string> ids;
};

SampleStoreWriter::SampleStoreWriter(const std::filesystem::path& path, const FeatureSpace& features,
                                     const std::string& provenance)
    : state_(new State{AtomicFile(path), {}, {}, features.count(), {}}) {
  check_features(features);
  const hdf5::Session session;
  state_->file = hdf5::create_file(state_->target.temporary(), path);
  hdf5::write_attribute(state_->file, kSchemaAttribute, std::string(kSchema));
  hdf5::write_texts(state_->file, "provenance", {provenance});
  write_features(state_->file, features);
  state_->runs = hdf5::create_group(state_->file, "runs");
}

SampleStoreWriter::~SampleStoreWriter() = default;

void SampleStoreWriter::add_run(const StoredRun& run) {
  with_context(fmt::format("'{}': run '{}'", state_->target.path().string(), run.id), [&] {
    check_run(run, state_->features);
    entities_text(run.entities);
    if (!state_->ids.insert(run.id).second) throw DataError("a run of this name is there already");
    const hdf5::Session session;
    write_run(hdf5::create_group(state_->runs, run_name(length_of(state_->ids) - 1)), run);
  });
}

void SampleStoreWriter::commit() {
  const hdf5::Session session;
  hdf5::seal(state_->runs);
  state_->runs = Node();
  hdf5::seal(state_->file);
  hdf5::close_file(state_->file);
  state_->target.commit();
}

struct SampleStore::State {
  Node file;
  std::shared_ptr<const FeatureSpace> features;
  std::string provenance;
  std::vector<StoredRunInfo> runs;

  Node group(std::int64_t index) const {
    if (index < 0 || index >= length_of(runs)) {
      throw UsageError(fmt::format("'{}': no run {}; it holds {} runs", file.file.string(), index, runs.size()));
    }
    return hdf5::open_group(hdf5::open_group(file, "runs"), run_name(index));
  }
};

SampleStore::SampleStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
SampleStore::~SampleStore() = default;
SampleStore::SampleStore(SampleStore&&) noexcept = default;
SampleStore& SampleStore::operator=(SampleStore&&) noexcept = default;

SampleStore SampleStore::open(const std::filesystem::path& path) {
  const hdf5::Session session;
  auto state = std::make_unique<State>();
  state->file = hdf5::open_file(path);
  check_schema(state->file);
  hdf5::check_seal(state->file);
  const auto provenance = hdf5::read_texts(state->file, "provenance");
  expect(state->file, provenance.size() == 1, "the provenance is one text");
  state->provenance = provenance[0];
  state->features = std::make_shared<const FeatureSpace>(read_features(state->file));
  const Node runs = hdf5::open_group(state->file, "runs");
  hdf5::check_seal(runs);
  for (const std::string& name : hdf5::members(runs)) {
    expect(runs, name == run_name(length_of(state->runs)), "runs are numbered from 000000");
    state->runs.push_back(read_info(hdf5::open_group(runs, name)));
    expect(runs, state->runs.back().features == state->features->count(), "a run has another number of features");
  }
  return SampleStore(std::move(state));
}

const std::shared_ptr<const FeatureSpace>& SampleStore::features() const { return state_->features; }
const std::string& SampleStore::provenance() const { return state_->provenance; }
const std::vector<StoredRunInfo>& SampleStore::runs() const { return state_->runs; }

StoredRun SampleStore::read_run(std::int64_t index) const {
  const hdf5::Session session;
  return read_stored_run(state_->group(index), state_->features);
}

MatrixF SampleStore::read_window(std::int64_t index, std::int64_t first, std::int64_t count) const {
  const hdf5::Session session;
  const Node group = state_->group(index);
  const StoredRunInfo& info = state_->runs[static_cast<std::size_t>(index)];
  if (first < 0 || count < 0 || first > info.volumes - count) {
    throw UsageError(fmt::format("'{}': no volumes {} to {} in run '{}', which has {}", group.file.string(), first,
                                 first + count, info.id, info.volumes));
  }
  MatrixF window(count, info.features);
  hdf5::read_rows(group, "values", first, count, window.data());
  return window;
}

void SampleStore::verify() const {
  for (std::int64_t index = 0; index < length_of(state_->runs); ++index) {
    check_cancelled();
    read_run(index);
  }
  const hdf5::Session session;
  read_features(state_->file);
}

}  // namespace noema
