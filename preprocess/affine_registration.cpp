// The only place that meets ITK and its LPS coordinates: x and y run the other way than in RAS.
#include "noema/preprocess/affine_registration.h"

#include <fmt/format.h>
#include <itkAffineTransform.h>
#include <itkCommand.h>
#include <itkEuler3DTransform.h>
#include <itkImage.h>
#include <itkImageRegistrationMethodv4.h>
#include <itkMattesMutualInformationImageToImageMetricv4.h>
#include <itkMultiThreaderBase.h>
#include <itkRegistrationParameterScalesFromPhysicalShift.h>
#include <itkRegularStepGradientDescentOptimizerv4.h>

#include <algorithm>
#include <cmath>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/progress.h"

namespace noema {
namespace {

using ItkImage = itk::Image<float, 3>;
using Affine = itk::AffineTransform<double, 3>;
using Rigid = itk::Euler3DTransform<double>;
using Metric = itk::MattesMutualInformationImageToImageMetricv4<ItkImage, ItkImage>;
using Optimizer = itk::RegularStepGradientDescentOptimizerv4<double>;

constexpr int kSeed = 20240501;
constexpr double kFirstStep_mm = 1;
constexpr double kLastStep_mm = 1e-4;

/// RAS to LPS and back.
Eigen::Matrix4d flip() { return Eigen::Vector4d(-1, -1, 1, 1).asDiagonal(); }

ItkImage::Pointer to_itk(const Image& image) {
  const Grid& grid = image.header.grid;
  const Eigen::Matrix4d lps_from_voxel = flip() * grid.ras_from_voxel;
  const std::array<double, 3> size_mm = grid.voxel_size_mm();
  ItkImage::Pointer result = ItkImage::New();
  ItkImage::SizeType size;
  ItkImage::PointType origin;
  ItkImage::SpacingType spacing;
  ItkImage::DirectionType direction;
  for (unsigned a = 0; a < 3; ++a) {
    size[a] = static_cast<itk::SizeValueType>(grid.shape[a]);
    origin[a] = lps_from_voxel(a, 3);
    spacing[a] = size_mm[a];
    for (unsigned row = 0; row < 3; ++row) direction(row, a) = lps_from_voxel(row, a) / size_mm[a];
  }
  result->SetRegions(size);
  result->SetOrigin(origin);
  result->SetSpacing(spacing);
  result->SetDirection(direction);
  result->Allocate();
  std::transform(image.values.begin(), image.values.end(), result->GetBufferPointer(),
                 [](float value) { return std::isfinite(value) ? value : 0.0F; });
  return result;
}

/// Centre of the positive values, LPS mm.
Eigen::Vector3d centre_of_mass(const Image& image) {
  const Grid& grid = image.header.grid;
  Eigen::Vector4d sum = Eigen::Vector4d::Zero();
  for (std::int64_t v = 0; v < grid.voxel_count(); ++v) {
    const float value = image.values[static_cast<std::size_t>(v)];
    if (!(value > 0) || !std::isfinite(value)) continue;
    const auto [i, j, k] = grid.voxel_at(v);
    sum += static_cast<double>(value) *
           Eigen::Vector4d(static_cast<double>(i), static_cast<double>(j), static_cast<double>(k), 1);
  }
  if (!(sum[3] > 0)) {
    throw NumericalError(
        fmt::format("'{}' has no positive value: there is nothing to lay over anything", image.header.path.string()));
  }
  return (flip() * grid.ras_from_voxel * (sum / sum[3])).head<3>();
}

Rigid::Pointer first_guess(const Image& fixed, const Image& moving) {
  const Eigen::Vector3d from = centre_of_mass(fixed), to = centre_of_mass(moving);
  Rigid::Pointer transform = Rigid::New();
  Rigid::InputPointType centre;
  Rigid::OutputVectorType shift;
  for (unsigned a = 0; a < 3; ++a) {
    centre[a] = from[a];
    shift[a] = to[a] - from[a];
  }
  transform->SetCenter(centre);
  transform->SetTranslation(shift);
  return transform;
}

/// Ends the search where the user asked to stop, and reports its steps.
class Watch : public itk::Command {
 public:
  using Pointer = itk::SmartPointer<Watch>;
  static Pointer watch(Optimizer* optimizer, Progress* progress) {
    Pointer watch = new Watch;
    watch->UnRegister();
    watch->optimizer_ = optimizer;
    watch->progress_ = progress;
    optimizer->AddObserver(itk::IterationEvent(), watch);
    return watch;
  }
  void Execute(itk::Object*, const itk::EventObject&) override {
    progress_->advance();
    if (cancel_requested()) optimizer_->StopOptimization();
  }
  void Execute(const itk::Object*, const itk::EventObject&) override {}

 private:
  Optimizer* optimizer_ = nullptr;
  Progress* progress_ = nullptr;
};

Optimizer::Pointer make_optimizer(Metric* metric, int iterations) {
  using Scales = itk::RegistrationParameterScalesFromPhysicalShift<Metric>;
  Scales::Pointer scales = Scales::New();
  scales->SetMetric(metric);
  Optimizer::Pointer optimizer = Optimizer::New();
  optimizer->SetScalesEstimator(scales);
  optimizer->SetDoEstimateLearningRateOnce(true);
  optimizer->SetMaximumStepSizeInPhysicalUnits(kFirstStep_mm);
  optimizer->SetLearningRate(kFirstStep_mm);
  optimizer->SetMinimumStepLength(kLastStep_mm);
  optimizer->SetGradientMagnitudeTolerance(1e-10);  // the step length decides
  optimizer->SetRelaxationFactor(0.85);
  optimizer->SetNumberOfIterations(static_cast<itk::SizeValueType>(iterations));
  optimizer->SetReturnBestParametersAndValue(true);
  optimizer->SetNumberOfWorkUnits(1);
  return optimizer;
}

/// What all stages of one registration share.
struct Task {
  ItkImage::Pointer fixed, moving;
  const AffineRegistrationOptions& options;
  Progress& progress;
};

/// Moves a transform to the largest mutual information, on the first `levels` levels. Returns it.
template <class Transform>
double improve(const Task& task, unsigned levels, Transform* transform) {
  using Registration = itk::ImageRegistrationMethodv4<ItkImage, ItkImage, Transform>;
  const Metric::Pointer metric = Metric::New();
  metric->SetNumberOfHistogramBins(static_cast<itk::SizeValueType>(task.options.bins));
  metric->SetUseMovingImageGradientFilter(false);
  metric->SetUseFixedImageGradientFilter(false);
  metric->SetMaximumNumberOfWorkUnits(1);
  const Optimizer::Pointer optimizer = make_optimizer(metric, task.options.iterations);
  const auto registration = Registration::New();
  registration->SetFixedImage(task.fixed);
  registration->SetMovingImage(task.moving);
  registration->SetMetric(metric);
  registration->SetOptimizer(optimizer);
  registration->SetInitialTransform(transform);
  registration->InPlaceOn();
  registration->SetNumberOfWorkUnits(1);
  typename Registration::ShrinkFactorsArrayType shrink(levels);
  typename Registration::SmoothingSigmasArrayType sigma(levels);
  for (unsigned level = 0; level < levels; ++level) {
    shrink[level] = static_cast<itk::SizeValueType>(task.options.shrink[level]);
    sigma[level] = task.options.sigma_mm[level];
  }
  registration->SetNumberOfLevels(levels);
  registration->SetShrinkFactorsPerLevel(shrink);
  registration->SetSmoothingSigmasPerLevel(sigma);
  registration->SmoothingSigmasAreSpecifiedInPhysicalUnitsOn();
  registration->SetMetricSamplingStrategy(Registration::MetricSamplingStrategyEnum::RANDOM);
  registration->SetMetricSamplingPercentage(task.options.sampled);
  registration->MetricSamplingReinitializeSeed(kSeed);
  const Watch::Pointer watch = Watch::watch(optimizer, &task.progress);
  registration->Update();
  check_cancelled();
  return -optimizer->GetCurrentMetricValue();
}

/// The same motion, free to stretch.
Affine::Pointer affine_of(const Rigid& rigid) {
  Affine::Pointer affine = Affine::New();
  affine->SetCenter(rigid.GetCenter());
  affine->SetMatrix(rigid.GetMatrix());
  affine->SetTranslation(rigid.GetTranslation());
  return affine;
}

Eigen::Matrix4d to_ras(const Affine& transform) {
  Eigen::Matrix4d lps = Eigen::Matrix4d::Identity();
  for (unsigned row = 0; row < 3; ++row) {
    for (unsigned column = 0; column < 3; ++column) lps(row, column) = transform.GetMatrix()(row, column);
    lps(row, 3) = transform.GetOffset()[row];
  }
  return flip() * lps * flip();
}

void check_image(const Image& image) {
  const auto& shape = image.header.grid.shape;
  if (image.header.volumes == 1 && *std::min_element(shape.begin(), shape.end()) >= 4) return;
  throw ShapeError(
      fmt::format("registering '{}': found {} volumes of {}, expected one, with at least 4 voxels along "
                  "each axis",
                  image.header.path.string(), image.header.volumes, describe(image.header.grid)));
}

}  // namespace

void AffineRegistrationOptions::validate() const {
  const bool levels = !shrink.empty() && shrink.size() == sigma_mm.size() &&
                      std::all_of(shrink.begin(), shrink.end(), [](int factor) { return factor >= 1; }) &&
                      std::all_of(sigma_mm.begin(), sigma_mm.end(), [](double sigma) { return sigma >= 0; });
  if (!levels || !(sampled > 0 && sampled <= 1) || bins < 8 || iterations < 1) {
    throw UsageError(
        fmt::format("registration: found {} shrink factors and {} sigmas, a share of {}, {} bins and {} "
                    "iterations; expected as many factors (at least 1) as sigmas (at least 0), a share in "
                    "(0, 1], at least 8 bins and at least 1 iteration",
                    shrink.size(), sigma_mm.size(), sampled, bins, iterations));
  }
}

AffineRegistration register_affine(const Image& fixed, const Image& moving, const AffineRegistrationOptions& options) {
  options.validate();
  check_image(fixed);
  check_image(moving);
  itk::MultiThreaderBase::SetGlobalMaximumNumberOfThreads(1);  // threads are ours alone
  const auto levels = static_cast<unsigned>(options.shrink.size()), coarse = std::max(1U, levels - 1);
  Progress progress("registering", static_cast<std::int64_t>(levels + coarse) * options.iterations);
  const Task task{to_itk(fixed), to_itk(moving), options, progress};
  const Rigid::Pointer rigid = first_guess(fixed, moving);
  AffineRegistration result;
  try {
    improve(task, coarse, rigid.GetPointer());
    const Affine::Pointer affine = affine_of(*rigid);
    result.information = improve(task, levels, affine.GetPointer());
    result.moving_from_fixed_mm = to_ras(*affine);
  } catch (const itk::ExceptionObject& error) {
    throw NumericalError(fmt::format("'{}' could not be laid over '{}': {}; do both show the same part of the head?",
                                     moving.header.path.string(), fixed.header.path.string(), error.GetDescription()));
  }
  if (!result.moving_from_fixed_mm.allFinite()) throw NumericalError("the registration gave no finite transform");
  return result;
}

}  // namespace noema
