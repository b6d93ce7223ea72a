#include "noema/learn/rena_classifier.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "noema/core/error.h"
#include "noema/core/hash.h"
#include "noema/learn/linear_classifier.h"

namespace noema {
namespace {

using Runs = std::shared_ptr<const std::vector<LearningRun>>;

constexpr const char* kTensor = "clusters.of_voxel";

std::shared_ptr<const FeatureSpace> cluster_space(const FeatureSpace& voxels, const VoxelClusters& clusters) {
  auto space = std::make_shared<FeatureSpace>();
  space->kind = FeatureKind::parcels;
  space->space = voxels.space;
  space->mask = voxels.mask;
  space->parcel_of_voxel = clusters.of_voxel;
  for (int c = 0; c < clusters.count; ++c) space->names.push_back(fmt::format("cluster-{}", c + 1));
  return space;
}

/// Runs of clusters; of those without `used` only what is said of them.
Runs reduce(const std::vector<LearningRun>& runs, const VoxelClusters& clusters, const std::vector<char>& used) {
  auto reduced = std::make_shared<std::vector<LearningRun>>();
  std::shared_ptr<const FeatureSpace> space;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const LearningRun& run = runs[r];
    LearningRun made{run.id, run.subject, run.session, run.run, run.groups, {}, run.events};
    const Series& series = run.series;
    if (!space && series.features) space = cluster_space(*series.features, clusters);
    made.series.features = space;
    made.series.tr_s = series.tr_s;
    made.series.start_s = series.start_s;
    made.series.keep = series.keep;
    made.series.values = used[r] ? cluster_means(series.values, clusters) : MatrixF(0, clusters.count);
    reduced->push_back(std::move(made));
  }
  return reduced;
}

VoxelClusters find_clusters(const SampleSet& train, int wanted) {
  const std::shared_ptr<const FeatureSpace>& space = train.runs->front().series.features;
  if (!space || space->kind != FeatureKind::voxels || space->mask.grid.grayordinates != nullptr) {
    throw DataError("clusters are made of neighbouring voxels, and these series are not of voxels");
  }
  RenaOptions options;
  options.clusters = wanted;
  return rena(sample_volumes(train), space->mask, options);
}

/// Which volumes of which runs, whatever their labels.
std::string key_of(const SampleSet& train) {
  Hasher hasher;
  for (const Sample& sample : train.samples) {
    hasher.add(std::as_bytes(std::span(&sample.run, 1)));
    hasher.add(std::as_bytes(std::span(sample.volumes)));
    hasher.add("/");
  }
  return hasher.digest();
}

}  // namespace

class RenaCache {
 public:
  struct Entry {
    Runs runs, reduced;
    VoxelClusters clusters;
  };
  /// Folds may ask at once; each finds its own.
  std::shared_ptr<const Entry> find(const SampleSet& train, int wanted) {
    const std::string key = key_of(train);
    {
      const std::scoped_lock lock(mutex_);
      const auto known = entries_.find(key);
      if (known != entries_.end() && known->second->runs == train.runs) return known->second;
    }
    auto made = std::make_shared<Entry>();
    made->runs = train.runs;
    made->clusters = find_clusters(train, wanted);
    made->reduced = reduce(*train.runs, made->clusters, std::vector<char>(train.runs->size(), 1));
    const std::scoped_lock lock(mutex_);
    entries_[key] = made;
    return made;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Entry>> entries_;
};

RenaClassifier::RenaClassifier(std::unique_ptr<Classifier> inner, int clusters, std::shared_ptr<RenaCache> cache)
    : inner_(std::move(inner)), wanted_(clusters), cache_(std::move(cache)) {
  if (clusters < 2) throw UsageError(fmt::format("found {} clusters of voxels, expected at least 2", clusters));
}

void RenaClassifier::fit(const SampleSet& train) {
  const auto found = cache_->find(train, wanted_);
  clusters_ = found->clusters;
  runs_ = found->runs;
  reduced_runs_ = found->reduced;
  inner_->fit(reduced(train));
}

SampleSet RenaClassifier::reduced(const SampleSet& samples) const {
  if (clusters_.count == 0) throw UsageError("a model of clusters was asked to predict before it was fitted");
  SampleSet result{reduced_runs_, samples.samples, samples.classes};
  if (samples.runs == runs_) return result;
  std::vector<char> used(samples.runs->size(), 0);
  for (const Sample& sample : samples.samples) used[static_cast<std::size_t>(sample.run)] = 1;
  result.runs = reduce(*samples.runs, clusters_, used);
  return result;
}

ClassScores RenaClassifier::predict(const SampleSet& samples) const { return inner_->predict(reduced(samples)); }

at::Tensor RenaClassifier::logits(const at::Tensor& windows, const at::Tensor& weights) const {
  const auto* inner = dynamic_cast<const DifferentiableClassifier*>(inner_.get());
  if (inner == nullptr) throw UsageError(fmt::format("the model '{}' has no gradients", kind()));
  const auto voxels = static_cast<std::int64_t>(clusters_.of_voxel.size());
  if (windows.dim() != 3 || windows.size(2) != voxels) {
    throw ShapeError(fmt::format("found windows of {} dimensions, expected (B, T, {})", windows.dim(), voxels));
  }
  at::Tensor index = at::empty({voxels}, at::kLong);
  std::copy(clusters_.of_voxel.begin(), clusters_.of_voxel.end(), index.mutable_data_ptr<std::int64_t>());
  at::Tensor shares = at::zeros({clusters_.count}, windows.scalar_type());
  shares = shares.index_add(0, index, at::empty({voxels}, shares.options()).fill_(1)).reciprocal();
  const at::Tensor sums = at::zeros({windows.size(0), windows.size(1), clusters_.count}, windows.options())
                              .index_add(2, index.to(windows.device()), windows);
  return inner->logits(sums.mul(shares.to(windows.device())), weights);
}

SafeTensors RenaClassifier::save() const {
  SafeTensors content = inner_->save();
  const std::vector<std::int64_t> of_voxel(clusters_.of_voxel.begin(), clusters_.of_voxel.end());
  content.tensors[kTensor] = TensorData::from_ints({static_cast<std::int64_t>(of_voxel.size())}, of_voxel);
  return content;
}

bool RenaClassifier::is_in(const SafeTensors& content) { return content.tensors.contains(kTensor); }

std::unique_ptr<RenaClassifier> RenaClassifier::load(const SafeTensors& content, std::unique_ptr<Classifier> inner) {
  const std::vector<std::int64_t> of_voxel = content.tensor(kTensor).ints();
  const std::int64_t last = of_voxel.empty() ? -1 : *std::max_element(of_voxel.begin(), of_voxel.end());
  std::vector<char> there(static_cast<std::size_t>(std::clamp<std::int64_t>(last + 1, 0, std::ssize(of_voxel))), 0);
  for (const std::int64_t cluster : of_voxel) {
    if (cluster >= 0 && cluster < std::ssize(there)) there[static_cast<std::size_t>(cluster)] = 1;
  }
  const bool whole = last >= 1 && last < std::ssize(of_voxel) &&
                     *std::min_element(of_voxel.begin(), of_voxel.end()) >= 0 &&
                     std::find(there.begin(), there.end(), 0) == there.end();
  if (!whole) throw DataError("the clusters of voxels are not numbered from 0 on: the model file is damaged");
  auto model = std::make_unique<RenaClassifier>(std::move(inner), static_cast<int>(last + 1), nullptr);
  model->clusters_.count = static_cast<int>(last + 1);
  model->clusters_.of_voxel.assign(of_voxel.begin(), of_voxel.end());
  return model;
}

MatrixD RenaClassifier::spread(const MatrixD& of_clusters) const {
  if (of_clusters.cols() != clusters_.count) {
    throw ShapeError(fmt::format("found values of {} clusters, expected {}", of_clusters.cols(), clusters_.count));
  }
  return of_clusters(Eigen::all, clusters_.of_voxel);
}

ClassifierFactory rena_factory(ClassifierFactory inner, int clusters) {
  return [inner = std::move(inner), clusters, cache = std::make_shared<RenaCache>()](std::uint64_t seed) {
    return std::make_unique<RenaClassifier>(inner(seed), clusters, cache);
  };
}

const Classifier& beneath_clusters(const Classifier& model) {
  const auto* clustered = dynamic_cast<const RenaClassifier*>(&model);
  return clustered != nullptr ? clustered->inner() : model;
}

std::optional<MatrixD> linear_patterns(const Classifier& model) {
  const auto* linear = dynamic_cast<const LinearClassifier*>(&beneath_clusters(model));
  if (linear == nullptr) return std::nullopt;
  const auto* clustered = dynamic_cast<const RenaClassifier*>(&model);
  return clustered != nullptr ? clustered->spread(linear->patterns()) : linear->patterns();
}

}  // namespace noema
