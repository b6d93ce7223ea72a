#include "noema/pipelines/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/core/progress.h"
#include "noema/interpret/agreement.h"
#include "noema/interpret/class_maps.h"
#include "noema/interpret/faithfulness.h"
#include "noema/learn/rena_classifier.h"
#include "noema/learn/torch_settings.h"
#include "noema/preprocess/smooth.h"

namespace noema {
namespace {

/// Samples whose attributions are held in memory at once.
constexpr std::int64_t kChunk = 64;
/// Deletion curves ask the model dozens of times a sample, and their mean is known well enough from about this many.
constexpr std::int64_t kDeletions = 500;

/// Sums deletion curves over chunks of samples.
class CurveSum {
 public:
  void add(const DeletionCurves& curves) {
    const double n = static_cast<double>(curves.gain.size());
    if (row_.fraction.empty()) {
      row_.fraction = curves.fraction;
      row_.margin.assign(curves.margin.size(), 0);
      row_.random.assign(curves.random.size(), 0);
    }
    for (std::size_t i = 0; i < row_.margin.size(); ++i) {
      row_.margin[i] += n * curves.margin[i];
      row_.random[i] += n * curves.random[i];
    }
    gains_.insert(gains_.end(), curves.gain.begin(), curves.gain.end());
  }

  void add_residuals(const Attribution& attribution) {
    for (std::size_t i = 0; i < attribution.residual.size(); ++i) {
      margin_ += std::abs(attribution.margin[i]);
      if (std::isnan(attribution.residual[i])) continue;
      worst_ = std::max(std::isnan(worst_) ? 0 : worst_, std::abs(attribution.residual[i]));
    }
    seen_ += static_cast<double>(attribution.margin.size());
  }

  void add(const CurveSum& other) {
    if (row_.fraction.empty())
      row_ = other.row_;
    else {
      for (std::size_t i = 0; i < other.row_.margin.size(); ++i) {
        row_.margin[i] += other.row_.margin[i];
        row_.random[i] += other.row_.random[i];
      }
    }
    gains_.insert(gains_.end(), other.gains_.begin(), other.gains_.end());
    if (!std::isnan(other.worst_)) worst_ = std::max(std::isnan(worst_) ? 0 : worst_, other.worst_);
    margin_ += other.margin_;
    seen_ += other.seen_;
  }

  FaithfulnessRow row(const std::string& model, std::string_view method) const {
    FaithfulnessRow row = row_;
    const double n = static_cast<double>(gains_.size());
    row.model = model;
    row.method = method;
    row.samples = static_cast<std::int64_t>(gains_.size());
    for (double& value : row.margin) value /= n;
    for (double& value : row.random) value /= n;
    for (const double gain : gains_) row.gain += gain / n;
    double squares = 0;
    for (const double gain : gains_) squares += (gain - row.gain) * (gain - row.gain);
    row.standard_error = n > 1 ? std::sqrt(squares / (n - 1) / n) : 0;
    row.residual = worst_ / (margin_ / seen_);
    return row;
  }
  bool empty() const { return gains_.empty(); }

 private:
  FaithfulnessRow row_;
  std::vector<double> gains_;
  double worst_ = std::numeric_limits<double>::quiet_NaN();
  double margin_ = 0;
  double seen_ = 0;
};

std::vector<int> subject_numbers(const std::vector<LearningRun>& runs) {
  std::map<std::string, int> numbers;
  for (const LearningRun& run : runs) numbers.emplace(run.subject, 0);
  int next = 0;
  for (auto& [subject, number] : numbers) number = next++;
  std::vector<int> of_run;
  for (const LearningRun& run : runs) of_run.push_back(numbers.at(run.subject));
  return of_run;
}

SampleSet chunk_of(const SampleSet& set, std::int64_t first) {
  const auto begin = set.samples.begin() + first;
  const auto end = set.samples.begin() + std::min(first + kChunk, set.size());
  return {set.runs, {begin, end}, set.classes};
}

/// Adds the deletion curves of every `stride`-th sample.
void add_curves(const DifferentiableClassifier& model, const Windows& windows, const std::vector<int>& labels,
                const Attribution& attribution, const DeletionOptions& options, std::int64_t stride, CurveSum& curves) {
  const auto every = [stride](const at::Tensor& values) { return values.slice(0, 0, values.size(0), stride); };
  std::vector<int> targets;
  for (std::size_t n = 0; n < labels.size(); n += static_cast<std::size_t>(stride)) targets.push_back(labels[n]);
  Attribution part;
  part.values = every(attribution.values);
  curves.add(deletion_curves(model, {every(windows.values), every(windows.weights)}, targets, part, options));
}

/// What the folds share.
struct ExplainPlan {
  AttributionOptions attribution;
  std::vector<int> subject_of_run;
  std::int64_t deletion_stride = 1;
};

void explain_chunk(const DifferentiableClassifier& model, const SampleSet& chunk, const ExplainPlan& plan,
                   ClassMapAverage& average, CurveSum& curves) {
  const Windows windows = make_windows(chunk);
  const std::vector<int> labels = chunk.labels();
  std::vector<int> subjects;
  for (const Sample& sample : chunk.samples)
    subjects.push_back(plan.subject_of_run[static_cast<std::size_t>(sample.run)]);
  const Attribution attribution = attribute(model, windows, labels, plan.attribution);
  average.add(attribution.values, labels, subjects);
  curves.add_residuals(attribution);
  DeletionOptions deletion;
  deletion.seed = plan.attribution.seed;
  add_curves(model, windows, labels, attribution, deletion, plan.deletion_stride, curves);
}

ModelMaps haufe_patterns(const std::string& name, const std::vector<ExplainedSamples>& parts) {
  ModelMaps maps{name, "pattern", false, {}};
  for (const ExplainedSamples& part : parts) {
    const MatrixD pattern = *linear_patterns(part.model) / static_cast<double>(parts.size());
    maps.values = maps.values.size() == 0 ? pattern : MatrixD(maps.values + pattern);
  }
  // Each label against the mean of the others, as margins and contrasts are.
  const double k = static_cast<double>(maps.values.rows());
  const Eigen::RowVectorXd mean = maps.values.colwise().mean();
  for (Eigen::Index row = 0; row < maps.values.rows(); ++row)
    maps.values.row(row) = (maps.values.row(row) - mean) * (k / (k - 1));
  return maps;
}

MapAgreement compare(const std::vector<double>& a, const std::vector<double>& b, MapPart part) {
  const Agreement agreement = compare_maps(a, b, part);
  MapAgreement row;
  row.part = to_string(part);
  row.pearson = agreement.pearson;
  row.spearman = agreement.spearman;
  row.dice = agreement.dice;
  row.features = agreement.features;
  return row;
}

std::vector<float> as_floats(const Eigen::Ref<const Eigen::RowVectorXd>& row) {
  std::vector<float> values(static_cast<std::size_t>(row.size()));
  Eigen::Map<Eigen::RowVectorXf>(values.data(), row.size()) = row.cast<float>();
  return values;
}

}  // namespace

Image smoothed_map(const Image& map, const Mask& mask, double fwhm_mm) {
  std::vector<float> smooth = map.values;
  Smoother(map.header.grid, fwhm_mm).apply(std::span(smooth));
  Image result{map.header, std::vector<float>(smooth.size(), 0)};
  for (const std::int64_t voxel : mask.voxels) {
    result.values[static_cast<std::size_t>(voxel)] = smooth[static_cast<std::size_t>(voxel)];
  }
  return result;
}

std::vector<double> values_in_mask(const Image& image, const Mask& mask) {
  std::vector<double> values;
  values.reserve(mask.voxels.size());
  for (const std::int64_t voxel : mask.voxels) values.push_back(image.values.at(static_cast<std::size_t>(voxel)));
  return values;
}

Explanation explain_samples(const std::string& name, const std::vector<ExplainedSamples>& parts,
                            const ExplainOptions& options, std::uint64_t seed) {
  Explanation result;
  if (parts.empty() || !dynamic_cast<const DifferentiableClassifier*>(&parts.front().model)) return result;
  const std::vector<LearningRun>& runs = *parts.front().samples.runs;
  ExplainPlan plan;
  plan.subject_of_run = subject_numbers(runs);
  const int subject_count = *std::max_element(plan.subject_of_run.begin(), plan.subject_of_run.end()) + 1;
  std::int64_t samples = 0;
  for (const ExplainedSamples& part : parts) samples += part.samples.size();
  plan.deletion_stride = std::max<std::int64_t>(1, samples / kDeletions);
  for (const std::string& method : options.methods) {
    AttributionOptions& attribution = plan.attribution;
    attribution = {};
    attribution.method = attribution_method(method);
    attribution.seed = seed;
    if (attribution.method == AttributionMethod::occlusion) {
      attribution.groups = occlusion_groups(*runs.front().series.features);
    }
    ClassMapAverage average(parts.front().samples.classes, subject_count, parts.front().samples.features());
    CurveSum curves;
    // Parts by themselves, then joined in their order, so that sums do not depend on the number of threads.
    std::vector<ClassMapAverage> part_average(parts.size(), average);
    std::vector<CurveSum> part_curves(parts.size());
    Progress progress(fmt::format("{}, {}", name, method), static_cast<std::int64_t>(parts.size()));
    const auto explain_part = [&](std::int64_t part) {
      const auto p = static_cast<std::size_t>(part);
      const auto& model = dynamic_cast<const DifferentiableClassifier&>(parts[p].model);
      const SampleSet& explained = parts[p].samples;
      for (std::int64_t first = 0; first < explained.size(); first += kChunk) {
        check_cancelled();
        explain_chunk(model, chunk_of(explained, first), plan, part_average[p], part_curves[p]);
      }
      progress.advance();
    };
    if (parts.size() == 1) {
      explain_part(0);  // with all of LibTorch's threads
    } else {
      parallel_tasks(static_cast<std::int64_t>(parts.size()), [&](std::int64_t part) {
        const OneTorchThread guard;
        explain_part(part);
      });
    }
    for (std::size_t p = 0; p < parts.size(); ++p) {
      average.add(part_average[p]);
      curves.add(part_curves[p]);
    }
    result.maps.push_back({name, method, facts_of(attribution.method).is_relevance, average.maps().mean});
    if (!curves.empty()) result.faithfulness.push_back(curves.row(name, method));
  }
  if (linear_patterns(parts.front().model)) result.maps.push_back(haufe_patterns(name, parts));
  return result;
}

Explanation explain_model(const LearningProblem& problem, const ModelEvaluation& evaluation,
                          const ExplainOptions& options, std::uint64_t seed) {
  std::vector<ExplainedSamples> parts;
  const auto& models = evaluation.cross_validation.models;
  for (std::size_t fold = 0; fold < models.size(); ++fold) {
    parts.push_back({*models[fold], problem.test_set(static_cast<int>(fold))});
  }
  return explain_samples(evaluation.scores.name, parts, options, seed);
}

std::vector<MapAgreement> agreement_with_glm(const std::vector<ModelMaps>& maps, const GlmMaps& glm,
                                             const LabelTable& labels, const FeatureSpace& features, double fwhm_mm) {
  const bool may_smooth = fwhm_mm > 0 && features.mask.grid.grayordinates == nullptr;
  const std::vector<double> widths = may_smooth ? std::vector<double>{0, fwhm_mm} : std::vector<double>{0};
  std::vector<MapAgreement> rows;
  for (const ModelMaps& model : maps) {
    for (const GlmMap& contrast : glm.group) {
      const Image image = to_image(features, as_floats(model.values.row(labels.index_of(contrast.contrast))));
      for (const double width : widths) {
        const std::vector<double> values =
            values_in_mask(width > 0 ? smoothed_map(image, features.mask, width) : image, features.mask);
        const std::vector<MapPart> parts = model.is_relevance
                                               ? std::vector<MapPart>{MapPart::absolute, MapPart::positive}
                                               : std::vector<MapPart>{MapPart::signed_values};
        for (const MapPart part : parts) {
          MapAgreement row = compare(values, contrast.effect, part);
          row.label = contrast.contrast;
          row.first = model.name();
          row.second = "GLM contrast";
          row.fwhm_mm = width;
          rows.push_back(std::move(row));
        }
      }
    }
  }
  return rows;
}

}  // namespace noema
