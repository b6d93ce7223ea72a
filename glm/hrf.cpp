#include "noema/glm/hrf.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/math/special_functions/gamma.hpp>
#include <cctype>
#include <cmath>
#include <utility>

#include "noema/core/error.h"

namespace noema {
namespace {

constexpr double kOnsetStep_s = 0.1;
constexpr double kDispersionStep_s = 0.01;

struct NamedModel {
  HrfModel model;
  std::string_view name;
};
constexpr std::array<NamedModel, 8> kModels{{
    {HrfModel::spm, "spm"},
    {HrfModel::spm_derivative, "spm + derivative"},
    {HrfModel::spm_derivative_dispersion, "spm + derivative + dispersion"},
    {HrfModel::glover, "glover"},
    {HrfModel::glover_derivative, "glover + derivative"},
    {HrfModel::glover_derivative_dispersion, "glover + derivative + dispersion"},
    {HrfModel::fir, "fir"},
    {HrfModel::none, "none"},
}};

double gamma_density(double x, double shape, double scale) {
  return x <= 0 ? 0 : boost::math::gamma_p_derivative(shape, x / scale) / scale;
}

Eigen::VectorXd time_derivative(const HrfShape& shape, double tr_s, int oversampling) {
  return (sampled_hrf(shape, tr_s, oversampling) - sampled_hrf(shape, tr_s, oversampling, kOnsetStep_s)) / kOnsetStep_s;
}

Eigen::VectorXd dispersion_derivative(const HrfShape& shape, double tr_s, int oversampling) {
  HrfShape wider = shape;
  wider.dispersion_s += kDispersionStep_s;
  return (sampled_hrf(shape, tr_s, oversampling) - sampled_hrf(wider, tr_s, oversampling)) / kDispersionStep_s;
}

std::string without_spaces(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isspace(byte) == 0) result += static_cast<char>(std::tolower(byte));
  }
  return result;
}

std::vector<HrfKernel> fir_kernels(int oversampling, const std::vector<int>& delays) {
  if (oversampling < 1 || delays.empty() || *std::min_element(delays.begin(), delays.end()) < 0) {
    throw UsageError(
        fmt::format("a finite impulse response needs an oversampling of at least 1 and delays of 0 or more volumes; "
                    "got {} and [{}]",
                    oversampling, fmt::join(delays, ", ")));
  }
  std::vector<HrfKernel> kernels;
  for (const int delay : delays) {
    Eigen::VectorXd values = Eigen::VectorXd::Zero((delay + Eigen::Index{1}) * oversampling);
    values.tail(oversampling).setConstant(1.0 / oversampling);
    kernels.push_back({std::move(values), fmt::format("_delay_{}", delay), oversampling - 1});
  }
  return kernels;
}

}  // namespace

HrfShape spm_shape() { return {}; }

HrfShape glover_shape() {
  return {.delay_s = 6, .undershoot_s = 12, .dispersion_s = 0.9, .undershoot_dispersion_s = 0.9, .ratio = 0.48};
}

double hrf_at(const HrfShape& shape, double time_s) {
  return gamma_density(time_s, shape.delay_s / shape.dispersion_s, shape.dispersion_s) -
         shape.ratio *
             gamma_density(time_s, shape.undershoot_s / shape.undershoot_dispersion_s, shape.undershoot_dispersion_s);
}

Eigen::VectorXd sampled_hrf(const HrfShape& shape, double tr_s, int oversampling, double onset_s) {
  if (!(tr_s > 0) || oversampling < 1) {
    throw UsageError(fmt::format(
        "a haemodynamic response needs a repetition time above 0 s and an oversampling of at least 1; got {} s and {}",
        tr_s, oversampling));
  }
  const double step_s = tr_s / oversampling;
  const auto points = static_cast<Eigen::Index>(std::nearbyint(kHrfLength_s / step_s));
  if (points < 2) {
    throw UsageError(fmt::format("a repetition time of {} s is too long to sample a haemodynamic response of {} s",
                                 tr_s, kHrfLength_s));
  }
  const double spacing_s = kHrfLength_s / static_cast<double>(points - 1);
  Eigen::VectorXd values(points);
  for (Eigen::Index i = 0; i < points; ++i) {
    const double time_s = i + 1 == points ? kHrfLength_s : static_cast<double>(i) * spacing_s;
    values[i] = hrf_at(shape, time_s - onset_s - step_s);
  }
  return values / values.sum();
}

Eigen::VectorXd spm_hrf(double tr_s, int oversampling) { return sampled_hrf(spm_shape(), tr_s, oversampling); }
Eigen::VectorXd glover_hrf(double tr_s, int oversampling) { return sampled_hrf(glover_shape(), tr_s, oversampling); }

Eigen::VectorXd spm_time_derivative(double tr_s, int oversampling) {
  return time_derivative(spm_shape(), tr_s, oversampling);
}
Eigen::VectorXd glover_time_derivative(double tr_s, int oversampling) {
  return time_derivative(glover_shape(), tr_s, oversampling);
}
Eigen::VectorXd spm_dispersion_derivative(double tr_s, int oversampling) {
  return dispersion_derivative(spm_shape(), tr_s, oversampling);
}
Eigen::VectorXd glover_dispersion_derivative(double tr_s, int oversampling) {
  HrfShape shape = glover_shape();
  shape.undershoot_dispersion_s = 1;
  return dispersion_derivative(shape, tr_s, oversampling);
}

std::string_view hrf_model_name(HrfModel model) {
  return std::find_if(kModels.begin(), kModels.end(), [&](const NamedModel& m) { return m.model == model; })->name;
}

HrfModel parse_hrf_model(std::string_view name) {
  const std::string wanted = without_spaces(name);
  std::string known;
  for (const NamedModel& entry : kModels) {
    if (without_spaces(entry.name) == wanted) return entry.model;
    known += fmt::format("{}'{}'", known.empty() ? "" : ", ", entry.name);
  }
  throw UsageError(fmt::format("no haemodynamic model is called '{}'; there are {}", name, known));
}

std::vector<HrfKernel> hrf_kernels(HrfModel model, double tr_s, int oversampling, const std::vector<int>& fir_delays) {
  if (model == HrfModel::fir) return fir_kernels(oversampling, fir_delays);
  if (model == HrfModel::none) return {{Eigen::VectorXd::Ones(1), ""}};
  const bool spm = model <= HrfModel::spm_derivative_dispersion;
  const bool derivative = model != HrfModel::spm && model != HrfModel::glover;
  const bool dispersion =
      model == HrfModel::spm_derivative_dispersion || model == HrfModel::glover_derivative_dispersion;
  std::vector<HrfKernel> kernels{{spm ? spm_hrf(tr_s, oversampling) : glover_hrf(tr_s, oversampling), ""}};
  if (derivative) {
    kernels.push_back(
        {spm ? spm_time_derivative(tr_s, oversampling) : glover_time_derivative(tr_s, oversampling), "_derivative"});
  }
  if (dispersion) {
    kernels.push_back(
        {spm ? spm_dispersion_derivative(tr_s, oversampling) : glover_dispersion_derivative(tr_s, oversampling),
         "_dispersion"});
  }
  return kernels;
}

}  // namespace noema
