// Covariances as matrix products of centred series.
#include "noema/connectomics/covariance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linalg_matrix_rank.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <limits>
#include <utility>

#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"

namespace noema {
namespace {

double epsilon_of(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kFloat ? std::numeric_limits<float>::epsilon()
                                            : std::numeric_limits<double>::epsilon();
}

/// Divisors (…) or a number of frames, checked.
void require_frames(const at::Tensor& divisor) {
  const double smallest = divisor.min().item<double>();
  if (!(smallest > 0)) {
    throw DataError(
        fmt::format("covariance: found {:.4g} degrees of freedom after subtracting ddof, expected more "
                    "than 0; keep more frames",
                    smallest));
  }
}

/// Series with what frames of weight 0 hold replaced by 0.
at::Tensor without_left_out(const at::Tensor& series, const at::Tensor& weights) {
  return at::where(weights.unsqueeze(-2) == 0, at::zeros_like(series), series);
}

struct Frames {
  at::Tensor weights;  // (…, 1, T) of vectors, or undefined
  at::Tensor matrix;   // (…, T, T), or undefined
  at::Tensor total;    // (…, 1, 1)
  at::Tensor squares;  // (…, 1, 1): Σw² or 1ᵀWW1
};

Frames frames_of(const at::Tensor& series, const CovarianceOptions& options) {
  const std::int64_t frames = series.size(-1);
  if (options.weights.defined() && options.frame_matrix.defined()) {
    throw UsageError("covariance: found weights of frames and of pairs of frames, expected one of both");
  }
  Frames result;
  if (options.weights.defined()) {
    require_dimensions(options.weights, "weights of frames", 1, "(…, T)");
    require_size(options.weights, "weights of frames", -1, frames);
    if (const double smallest = options.weights.min().item<double>(); !(smallest >= 0)) {
      throw UsageError(fmt::format("weights of frames: found {:.4g}, expected them ≥ 0", smallest));
    }
    result.weights = options.weights.unsqueeze(-2);
    result.total = result.weights.sum(-1, true);
    result.squares = result.weights.square().sum(-1, true);
  } else if (options.frame_matrix.defined()) {
    require_square(options.frame_matrix, "weights of pairs of frames");
    require_size(options.frame_matrix, "weights of pairs of frames", -1, frames);
    result.matrix = symmetrised(options.frame_matrix);
    result.total = result.matrix.sum({-2, -1}, true);
    result.squares = result.matrix.sum(-1, true).square().sum({-2, -1}, true);
  } else {
    const at::Tensor count = at::full({1, 1}, static_cast<double>(frames), series.options().requires_grad(false));
    result.total = result.squares = count;
  }
  return result;
}

at::Tensor centred(const at::Tensor& series, const Frames& frames) {
  if (frames.weights.defined()) {
    const at::Tensor kept = without_left_out(series, frames.weights.squeeze(-2));
    const at::Tensor mean = (kept * frames.weights).sum(-1, true) / frames.total;
    return at::where(frames.weights == 0, at::zeros_like(kept), kept - mean);
  }
  if (frames.matrix.defined()) {
    return series - series.matmul(frames.matrix.sum(-1, true)) / frames.total;
  }
  return series - series.mean(-1, true);
}

/// Checked divisor Σw − ddof Σw²/Σw, (…, 1, 1).
at::Tensor divisor_of(const Frames& frames, const at::Tensor& ddof) {
  const at::Tensor divisor = frames.total - ddof * frames.squares / frames.total;
  require_frames(divisor);
  return divisor;
}

at::Tensor product(const at::Tensor& x, const at::Tensor& y, const Frames& frames) {
  if (frames.weights.defined()) return (x * frames.weights).matmul(y.mT());
  if (frames.matrix.defined()) return x.matmul(frames.matrix).matmul(y.mT());
  return x.matmul(y.mT());
}

at::Tensor ddof_like(const at::Tensor& series, double ddof) {
  return at::full({1, 1}, ddof, series.options().requires_grad(false));
}

/// Variances up to which a channel counts as constant: (16 ε)² times its mean square, (…, C).
at::Tensor variance_floor(const at::Tensor& series, const CovarianceOptions& options) {
  const at::Tensor kept =
      options.weights.defined() ? without_left_out(series.detach(), options.weights.detach()) : series.detach();
  const double relative = 16 * epsilon_of(series);
  return kept.square().mean(-1) * (relative * relative);
}

/// 1/√variance where it is above the floor, else 0 with gradient 0.
at::Tensor inverse_deviation(const at::Tensor& variance, const at::Tensor& floor) {
  const at::Tensor constant = variance <= floor;
  return at::where(constant, at::zeros_like(variance),
                   at::where(constant, at::full_like(variance, 1), variance).rsqrt());
}

at::Tensor normalised(const at::Tensor& covariance, const at::Tensor& floor) {
  const at::Tensor variance = covariance.diagonal(0, -2, -1);
  const at::Tensor inverse = inverse_deviation(variance, floor);
  const at::Tensor result = covariance * inverse.unsqueeze(-1) * inverse.unsqueeze(-2);
  const at::Tensor diagonal = at::eye(covariance.size(-1), covariance.options().dtype(at::kBool));
  return at::where(diagonal, at::full_like(result, 1), result);
}

void require_pair(const at::Tensor& x, const at::Tensor& y, const char* other) {
  require_dimensions(x, "series", 2, "(…, C, T)");
  require_dimensions(y, other, 2, "(…, K, T)");
  require_size(y, other, -1, x.size(-1));
}

}  // namespace

at::Tensor covariance(const at::Tensor& series, const CovarianceOptions& options) {
  require_dimensions(series, "series", 2, "(…, C, T)");
  const Frames frames = frames_of(series, options);
  const at::Tensor divisor = divisor_of(frames, ddof_like(series, options.ddof));
  const at::Tensor x = centred(series, frames);
  const at::Tensor result = product(x, x, frames) / divisor;
  if (options.ridge == 0) return result;
  return result + options.ridge * at::eye(series.size(-2), result.options().requires_grad(false));
}

at::Tensor cross_covariance(const at::Tensor& x, const at::Tensor& y, const CovarianceOptions& options) {
  require_pair(x, y, "second series");
  if (options.ridge != 0)
    throw UsageError("covariance of two series: found a ridge, expected none (it has no diagonal)");
  const Frames frames = frames_of(x, options);
  const at::Tensor divisor = divisor_of(frames, ddof_like(x, options.ddof));
  return product(centred(x, frames), centred(y, frames), frames) / divisor;
}

at::Tensor pairwise_covariance(const at::Tensor& series, const at::Tensor& observed, double ddof) {
  require_dimensions(series, "series", 2, "(…, C, T)");
  if (!observed.defined() || observed.scalar_type() != at::kBool) {
    throw ShapeError("mask of observed entries: found another type or none, expected booleans");
  }
  if (observed.dim() == 0 || observed.size(-1) != series.size(-1) ||
      (observed.dim() > 1 && observed.size(-2) != 1 && observed.size(-2) != series.size(-2))) {
    throw ShapeError(
        fmt::format("mask of observed entries: found shape {}, expected ({}), (…, {}, {}) or, of channels "
                    "that share it, (…, 1, {})",
                    shape_text(observed.sizes()), series.size(-1), series.size(-2), series.size(-1), series.size(-1)));
  }
  const at::Tensor seen = observed.expand_as(series);
  const at::Tensor m = seen.to(series.scalar_type());
  const at::Tensor kept = at::where(seen, series, at::zeros_like(series));
  // Near each channel's mean the products below do not cancel.
  const at::Tensor x = (kept - (kept.sum(-1, true) / m.sum(-1, true).clamp_min(1)).detach()) * m;
  const at::Tensor common = m.matmul(m.mT());
  require_frames(common - ddof);
  const at::Tensor sums = x.matmul(m.mT());  // (i, j): Σ of channel i over the frames that j has too
  return (x.matmul(x.mT()) - sums * sums.mT() / common) / (common - ddof);
}

at::Tensor correlation_from_covariance(const at::Tensor& covariance) {
  require_square(covariance, "covariance");
  const at::Tensor variance = covariance.diagonal(0, -2, -1);
  const double smallest = variance.min().item<double>();
  if (!(smallest >= 0)) {
    throw NumericalError(fmt::format("covariance: found {:.4g} on the diagonal, expected variances ≥ 0", smallest));
  }
  return normalised(covariance, at::zeros_like(variance));
}

at::Tensor correlation(const at::Tensor& series, const CovarianceOptions& options) {
  return normalised(covariance(series, options), variance_floor(series, options));
}

at::Tensor cross_correlation(const at::Tensor& x, const at::Tensor& y, const CovarianceOptions& options) {
  const at::Tensor cross = cross_covariance(x, y, options);
  const Frames frames = frames_of(x, options);
  const at::Tensor divisor = divisor_of(frames, ddof_like(x, options.ddof)).squeeze(-1);
  const auto inverse = [&](const at::Tensor& series) {
    const at::Tensor z = centred(series, frames);
    const at::Tensor weighted = frames.weights.defined()  ? z * frames.weights
                                : frames.matrix.defined() ? z.matmul(frames.matrix)
                                                          : z;
    return inverse_deviation((weighted * z).sum(-1) / divisor, variance_floor(series, options));
  };
  return cross * inverse(x).unsqueeze(-1) * inverse(y).unsqueeze(-2);
}

at::Tensor conditional_covariance(const at::Tensor& series, const at::Tensor& confounds,
                                  const CovarianceOptions& options) {
  require_pair(series, confounds, "confounds");
  if (options.ridge != 0 || options.frame_matrix.defined()) {
    throw UsageError("conditional covariance: found a ridge or weights of pairs of frames, expected neither");
  }
  const Frames frames = frames_of(series, options);
  at::Tensor x = centred(series, frames), y = centred(confounds, frames);
  if (frames.weights.defined()) {
    // √w with gradient 0 where a frame is left out.
    const at::Tensor out = frames.weights == 0;
    const at::Tensor root = at::where(out, at::full_like(frames.weights, 1), frames.weights).sqrt();
    x = x * at::where(out, at::zeros_like(root), root);
    y = y * at::where(out, at::zeros_like(root), root);
  }
  // The fit does not depend on the confounds' lengths, so these are constants to the gradient too. A confound that is
  // constant within rounding counts as zero.
  const at::Tensor length = at::linalg_vector_norm(y.detach(), 2, at::IntArrayRef{-1}, true);
  const at::Tensor rounding =
      at::linalg_vector_norm(confounds.detach().nan_to_num(), 2, at::IntArrayRef{-1}, true) * (16 * epsilon_of(y));
  y = y * at::where(length > rounding, length.reciprocal(), at::zeros_like(length));
  const double tolerance = epsilon_of(y) * static_cast<double>(std::max(y.size(-1), y.size(-2)));
  const at::Tensor rank = at::linalg_matrix_rank(y.detach(), std::nullopt, tolerance).to(x.scalar_type());
  const at::Tensor divisor = divisor_of(frames, rank.unsqueeze(-1).unsqueeze(-1) + options.ddof);
  const at::Tensor rest = x - x.matmul(at::linalg_pinv(y, tolerance)).matmul(y);
  return rest.matmul(rest.mT()) / divisor;
}

at::Tensor conditional_correlation(const at::Tensor& series, const at::Tensor& confounds,
                                   const CovarianceOptions& options) {
  return normalised(conditional_covariance(series, confounds, options), variance_floor(series, options));
}

at::Tensor lag_matrix(const at::Tensor& weights, std::int64_t min_lag, std::int64_t frames) {
  require_dimensions(weights, "weights of lags", 1, "(…, L)");
  const std::int64_t lags = weights.size(-1);
  if (lags == 0 || min_lag < 0 || min_lag + lags > frames) {
    throw UsageError(fmt::format("weights of lags: found lags {} to {}, expected them from 0 to {}", min_lag,
                                 min_lag + lags - 1, frames - 1));
  }
  const at::Tensor time = at::arange(frames, at::TensorOptions(at::kLong).device(weights.device()));
  const at::Tensor lag = (time.unsqueeze(-1) - time).abs() - min_lag;
  const at::Tensor inside = (lag >= 0).logical_and(lag < lags);
  const at::Tensor spread = weights.index_select(-1, lag.clamp(0, lags - 1).flatten()).unflatten(-1, {frames, frames});
  return at::where(inside, spread, at::zeros_like(spread));
}

void StreamingCovariance::add(const at::Tensor& block, const at::Tensor& weights) {
  require_dimensions(block, "block of frames", 2, "(…, C, T)");
  if (block.size(-1) == 0) return;
  CovarianceOptions options;
  options.weights = weights.defined() ? weights : at::full({block.size(-1)}, 1, block.options().requires_grad(false));
  const Frames frames = frames_of(block, options);
  const at::Tensor kept = without_left_out(block, options.weights);
  // A block whose frames are all left out has no mean of its own: 0 with weight 0 serves.
  const at::Tensor total = at::where(frames.total == 0, at::full_like(frames.total, 1), frames.total);
  StreamingCovariance one;
  one.mean_ = ((kept * frames.weights).sum(-1, true) / total).squeeze(-1);
  const at::Tensor x = kept - one.mean_.unsqueeze(-1);
  one.scatter_ = (x * frames.weights).matmul(x.mT());
  one.weight_ = frames.total.squeeze(-1);
  one.squared_weight_ = frames.squares.squeeze(-1);
  merge(one);
}

void StreamingCovariance::merge(const StreamingCovariance& other) {
  if (!other.mean_.defined()) return;
  if (!mean_.defined()) {
    *this = other;
    return;
  }
  if (mean_.sizes() != other.mean_.sizes()) {
    throw ShapeError(fmt::format("block of frames: found channels {}, expected {}", shape_text(other.mean_.sizes()),
                                 shape_text(mean_.sizes())));
  }
  const at::Tensor total = weight_ + other.weight_;
  const at::Tensor share = other.weight_ / at::where(total == 0, at::full_like(total, 1), total);
  const at::Tensor step = other.mean_ - mean_;
  scatter_ = scatter_ + other.scatter_ + step.unsqueeze(-1) * step.unsqueeze(-2) * (weight_ * share).unsqueeze(-1);
  mean_ = mean_ + step * share;
  weight_ = total;
  squared_weight_ = squared_weight_ + other.squared_weight_;
}

at::Tensor StreamingCovariance::covariance(double ddof) const {
  if (!mean_.defined()) throw DataError("covariance of a stream: found no frames, expected some");
  const at::Tensor divisor = weight_ - ddof * squared_weight_ / weight_;
  require_frames(divisor);
  return scatter_ / divisor.unsqueeze(-1);
}

at::Tensor StreamingCovariance::mean() const {
  if (!mean_.defined()) throw DataError("mean of a stream: found no frames, expected some");
  return mean_;
}

}  // namespace noema
