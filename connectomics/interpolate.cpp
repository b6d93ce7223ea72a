// Filling as one matrix for each mask; cleaning as a chain of the other blocks.
#include "noema/connectomics/interpolate.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/max_pool1d.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "noema/connectomics/recursive_filter.h"
#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"
#include "noema/preprocess/censor.h"

namespace noema {
namespace {

const at::TensorOptions kWhole = at::TensorOptions(at::kLong);

/// Rows of the lines through the frames `known`, at all T frames.
at::Tensor linear_matrix(const at::Tensor& known) {
  const std::int64_t frames = known.size(0);
  const at::Tensor index = at::arange(frames, kWhole);
  const at::Tensor before = std::get<0>(at::where(known, index, at::full_like(index, -1)).cummax(0));
  const at::Tensor reversed = at::where(known, index, at::full_like(index, frames)).flip(0);
  const at::Tensor after = std::get<0>(reversed.cummin(0)).flip(0);
  const at::Tensor left = at::where(before < 0, after, before);
  const at::Tensor right = at::where(after == frames, before, after);
  const at::Tensor gap = (right - left).clamp_min(1).to(at::kDouble);
  const at::Tensor share = (index - left).clamp_min(0).to(at::kDouble) / gap;
  const at::Tensor weight = at::where(right > left, share, at::zeros_like(share)).unsqueeze(1);
  at::Tensor matrix = at::zeros({frames, frames}, at::kDouble);
  matrix.scatter_add_(1, left.unsqueeze(1), 1 - weight);
  matrix.scatter_add_(1, right.unsqueeze(1), weight);
  return matrix;
}

at::Tensor cubic_matrix(const at::Tensor& keep) {
  const at::Tensor bytes = keep.to(at::kByte).contiguous();
  const std::int64_t frames = keep.size(0);
  const SplineFill spline(std::span(bytes.const_data_ptr<std::uint8_t>(), static_cast<std::size_t>(frames)));
  MatrixD unit = MatrixD::Zero(frames, frames);
  for (std::int64_t t = 0; t < frames; ++t) {
    if (bytes.const_data_ptr<std::uint8_t>()[t] != 0) unit(t, t) = 1;
  }
  spline.fill(unit);
  for (std::int64_t t = 0; t < spline.first(); ++t) unit(t, spline.first()) = 1;
  for (std::int64_t t = spline.end(); t < frames; ++t) unit(t, spline.end() - 1) = 1;
  at::Tensor matrix = at::empty({frames, frames}, at::kDouble);
  Eigen::Map<MatrixD>(matrix.mutable_data_ptr<double>(), frames, frames) = unit;
  return matrix;
}

struct Basis {
  at::Tensor line;       // (T, 2): constant and trend
  at::Tensor harmonics;  // (T, 2K), columns of length about 1
};

Basis make_basis(std::int64_t frames, const FillOptions& options) {
  const double length = static_cast<double>(frames) * options.oversampling;
  const auto count = static_cast<std::int64_t>(std::floor(options.highest_frequency * length + 1e-9));
  const at::Tensor time = at::arange(frames, at::kDouble).unsqueeze(1);
  const at::Tensor phase = time * at::arange(1, count + 1, at::kDouble) * (2 * std::numbers::pi / length);
  const at::Tensor slope = (time - (static_cast<double>(frames) - 1) / 2) / static_cast<double>(frames);
  return {at::cat({at::ones_like(time), slope}, 1),
          at::cat({at::cos(phase), at::sin(phase)}, 1) * std::sqrt(2 / static_cast<double>(frames))};
}

/// s/(s² + ridge), 0 where rounding alone is left.
at::Tensor ridge_filter(const at::Tensor& s, const at::Tensor& ridge) {
  const at::Tensor seen = s > 1e-13 * s.slice(0, 0, 1);  // of the largest
  return at::where(seen, s / (s.square() + ridge).clamp_min(1e-300), at::zeros_like(s));
}

/// (n, 1): for each row of `content` the least ridge, not below `least`, for which `fixed` + Σ (content·filter)² is at
/// most `bound`.
at::Tensor bounded_ridge(const at::Tensor& content, const at::Tensor& s, const at::Tensor& fixed, double least,
                         double bound) {
  const auto exceeds = [&](const at::Tensor& ridge) {
    return fixed + (content * ridge_filter(s, ridge)).square().sum(1, true) > bound;
  };
  const at::Tensor start = at::full_like(fixed, least);
  if (std::isinf(bound)) return start;
  at::Tensor low = at::full_like(fixed, std::log(std::max(least, 1e-16))), high = at::full_like(fixed, std::log(1e8));
  for (int i = 0; i < 40; ++i) {
    const at::Tensor middle = (low + high) / 2, above = exceeds(middle.exp());
    low = at::where(above, middle, low);
    high = at::where(above, high, middle);
  }
  return at::where(exceeds(start), high.exp(), start);
}

/// Rows of kept frames and of those before the first and after the last are not used.
at::Tensor harmonic_matrix(const at::Tensor& keep, const FillOptions& options) {
  const std::int64_t frames = keep.size(0);
  const at::Tensor kept = keep.nonzero().flatten(), missing = keep.logical_not().nonzero().flatten();
  const Basis basis = make_basis(frames, options);
  const auto rows = [](const at::Tensor& all, const at::Tensor& index) { return all.index_select(0, index); };
  // The line is fitted for itself, so the harmonics are those that it leaves.
  const at::Tensor line = basis.line.matmul(at::linalg_pinv(rows(basis.line, kept)));  // (T, kept)
  const at::Tensor rest = basis.harmonics - line.matmul(rows(basis.harmonics, kept));
  const auto [u, s, vt] = at::linalg_svd(rows(rest, kept), /*full_matrices=*/false);
  const at::Tensor content = rows(rest, missing).matmul(vt.t()), straight = rows(line, missing);
  const at::Tensor ridge = bounded_ridge(content, s, straight.square().sum(1, true), options.ridge,
                                         options.largest_gain * options.largest_gain);
  const at::Tensor filling = straight + (content * ridge_filter(s, ridge)).matmul(u.t());
  at::Tensor matrix = at::eye(frames, at::kDouble);
  matrix.index_copy_(0, missing, at::zeros({missing.numel(), frames}, at::kDouble).index_copy(1, kept, filling));
  const at::Tensor index = at::arange(frames, kWhole);
  const at::Tensor inside = (index > kept[0]).logical_and(index < kept[-1]);
  return at::where(inside.unsqueeze(1), matrix, linear_matrix(keep));
}

at::Tensor hybrid_matrix(const at::Tensor& keep, const FillOptions& options) {
  const std::int64_t frames = keep.size(0);
  const at::Tensor harmonic = harmonic_matrix(keep, options);
  const std::int64_t reach = options.linear_within;
  const at::Tensor near =
      at::max_pool1d(keep.to(at::kDouble).reshape({1, 1, frames}), 2 * reach + 1, 1, reach).flatten() > 0;
  const at::Tensor known = keep.logical_or(near.logical_not());
  return linear_matrix(known).matmul(at::where(known.unsqueeze(1), harmonic, at::zeros_like(harmonic)));
}

void require_mask(const at::Tensor& keep, std::int64_t dimensions) {
  if (!keep.defined() || keep.scalar_type() != at::kBool || keep.dim() != dimensions || keep.size(-1) == 0) {
    throw ShapeError(fmt::format(
        "mask of kept frames: found {}, expected bool ({}T) with T ≥ 1",
        keep.defined() ? shape_text(keep.sizes()) + " " + c10::toString(keep.scalar_type()) : std::string("no tensor"),
        dimensions == 2 ? "B, " : ""));
  }
}

/// `work(series, …, mask)` for each run of a batch with masks of its own.
template <class Work>
at::Tensor for_each_mask(const at::Tensor& series, const at::Tensor& keep, const Work& work) {
  if (!keep.defined() || keep.dim() != 2) return work(series, keep, -1);
  require_mask(keep, 2);
  require_size(keep, "mask of kept frames", 0, series.size(0));
  std::vector<at::Tensor> done;
  for (std::int64_t b = 0; b < series.size(0); ++b) done.push_back(work(series[b], keep[b], b));
  if (done.empty()) throw ShapeError("series: found an empty batch, expected at least one run");
  return at::stack(done);
}

at::Tensor filled(const at::Tensor& series, const at::Tensor& keep, const FillOptions& options) {
  const at::Tensor matrix = fill_matrix(keep, options).to(series.options());
  const at::Tensor on_device = keep.to(series.device());
  const at::Tensor missing = on_device.logical_not().nonzero().flatten();
  if (missing.numel() == 0) return series;
  const at::Tensor kept = on_device.nonzero().flatten();
  const at::Tensor rows = matrix.index_select(0, missing).index_select(1, kept);
  const at::Tensor known = series.index_select(-1, kept);
  return at::cat({known, known.matmul(rows.t())}, -1).index_select(-1, at::argsort(at::cat({kept, missing})));
}

/// One run: (F, T), confounds (K, T).
at::Tensor cleaned(const at::Tensor& series, const at::Tensor& confounds, const at::Tensor& keep,
                   const CensoredCleaning& options) {
  const at::Tensor kept = keep.nonzero().flatten();
  if (kept.numel() == 0) throw DataError("cleaning: found all frames censored, expected some that are kept");
  const std::int64_t first = kept[0].item<std::int64_t>(), end = kept[-1].item<std::int64_t>() + 1;
  const at::Tensor inside = keep.slice(0, first, end);
  const bool filtered = options.band.high_pass_hz || options.band.low_pass_hz;
  const at::Tensor frames = (filtered ? at::arange(first, end, kWhole) : kept).to(series.device());
  const at::Tensor used = keep.to(series.device()).index_select(0, frames);
  const auto prepare = [&](const at::Tensor& values) {
    at::Tensor whole = values.index_select(-1, frames);
    if (filtered) whole = fill_censored(whole, used, options.fill);
    if (options.detrend) whole = regress_out(whole, {}, {}, {.intercept = true, .trend_degree = 1});
    if (!filtered) return whole;
    const Butterworth filter(options.band, options.tr_s);
    return zero_phase_filter(whole, section_tensor(filter.sections(), whole.options()));
  };
  at::Tensor result = prepare(series);
  if (confounds.defined()) {
    const at::Tensor weights = used.to(series.scalar_type());
    const at::Tensor ready = prepare(confounds);
    const at::Tensor centred = ready - (ready * weights).sum(-1, true) / weights.sum();
    result = regress_out(result, centred, weights, {.intercept = false, .ridge = options.ridge});
  }
  const at::Tensor whole = at::zeros_like(series).index_copy(-1, frames, result);
  return fill_censored(whole, keep, {FillMethod::linear});
}

}  // namespace

void FillOptions::validate() const {
  if (!(highest_frequency > 0 && highest_frequency <= 0.5)) {
    throw UsageError(
        fmt::format("interpolation: found highest frequency {} cycles per frame, expected above 0 and at most 0.5",
                    highest_frequency));
  }
  if (oversampling < 1 || !(ridge >= 0) || !(largest_gain >= 1) || linear_within < 0) {
    throw UsageError(
        "interpolation: expected oversampling and largest gain from 1 on, ridge and linear_within from 0 on");
  }
}

at::Tensor fill_matrix(const at::Tensor& keep, const FillOptions& options) {
  options.validate();
  require_mask(keep, 1);
  const at::Tensor mask = keep.to(at::kCPU);
  if (!mask.any().item<bool>()) {
    throw DataError("interpolation: found all frames censored, expected at least one that is kept");
  }
  switch (options.method) {
    case FillMethod::linear:
      return linear_matrix(mask);
    case FillMethod::cubic:
      return cubic_matrix(mask);
    case FillMethod::harmonic:
      return harmonic_matrix(mask, options);
    case FillMethod::hybrid:
      return hybrid_matrix(mask, options);
  }
  throw UsageError("interpolation: unknown method");
}

at::Tensor fill_censored(const at::Tensor& series, const at::Tensor& keep, const FillOptions& options) {
  require_dimensions(series, "series", 1, "(…, T)");
  if (keep.defined()) require_size(keep, "mask of kept frames", -1, series.size(-1));
  return for_each_mask(series, keep, [&](const at::Tensor& run, const at::Tensor& mask, std::int64_t) {
    return filled(run, mask, options);
  });
}

at::Tensor clean_censored(const at::Tensor& series, const at::Tensor& confounds, const at::Tensor& keep,
                          const CensoredCleaning& options) {
  require_dimensions(series, "series", 2, "(B, F, T) or (F, T)");
  if (confounds.defined()) {
    require_dimensions(confounds, "confounds", 2, "(…, K, T)");
    require_size(confounds, "confounds", -1, series.size(-1));
  }
  const at::Tensor mask = keep.defined() ? keep : at::ones({series.size(-1)}, at::kBool);
  require_size(mask, "mask of kept frames", -1, series.size(-1));
  return for_each_mask(series, mask, [&](const at::Tensor& run, const at::Tensor& kept, std::int64_t b) {
    require_mask(kept, 1);
    const bool own = b >= 0 && confounds.defined() && confounds.dim() > 2;
    return cleaned(run, own ? confounds[b] : confounds, kept.to(at::kCPU), options);
  });
}

}  // namespace noema
