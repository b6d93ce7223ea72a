#include "noema/simulate/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/simulate/confounds.h"
#include "noema/simulate/field.h"

namespace noema {
namespace {

constexpr std::int64_t kMostDrifts = 3;
constexpr double kSlowFieldSd_voxels = 3;
constexpr float kNoiseOutside = 0.2F;

using Volume = std::vector<float>;

FieldKey key(const SimulationOptions& options, std::string_view purpose, int subject, int run, std::int64_t index) {
  return {options.seed,
          purpose,
          {static_cast<std::uint64_t>(subject), static_cast<std::uint64_t>(run), static_cast<std::uint64_t>(index)}};
}

/// Spatial patterns and the weight of each in each volume.
struct Patterns {
  MatrixD weights;  // (T, N)
  MatrixF maps;     // (N, V)
};

void take_brain(const Phantom& phantom, const Volume& volume, Eigen::Ref<Eigen::RowVectorXf> values) {
  for (std::int64_t v = 0; v < phantom.brain.size(); ++v) {
    values[v] = volume[static_cast<std::size_t>(phantom.brain.voxels[static_cast<std::size_t>(v)])];
  }
}

/// States, drifts and spikes alike are patterns that come and go.
Patterns make_patterns(const Phantom& phantom, const SimulationOptions& options, const MatrixF& maps, int subject,
                       int run, const MatrixD& responses, const Motion& motion) {
  const Eigen::Index volumes = responses.rows();
  const MatrixD cosines = slow_cosines(volumes, options.tr_s);
  const Eigen::Index drifts = options.drift > 0 ? std::min<Eigen::Index>(cosines.cols(), kMostDrifts) : 0;
  const Eigen::Index states = options.states;
  Patterns patterns{MatrixD(volumes, states + drifts + 1), MatrixF(states + drifts + 1, phantom.brain.size())};
  patterns.weights.leftCols(states) = options.level * responses;
  patterns.maps.topRows(states) = maps;

  const FieldSource slow(options.shape, kSlowFieldSd_voxels);
  Volume field(phantom.tissue.size());
  Eigen::RowVectorXf values(phantom.brain.size());
  for (Eigen::Index d = 0; d < drifts; ++d) {
    slow.draw(key(options, "drift", subject, run, d), field);
    take_brain(phantom, field, values);
    patterns.maps.row(states + d) = values;
    // A cosine of unit norm over T volumes has the temporal SD 1/√T.
    const double scale = options.drift * std::sqrt(static_cast<double>(volumes) / static_cast<double>(drifts));
    patterns.weights.col(states + d) = scale * cosines.col(d);
  }
  slow.draw(key(options, "spike", subject, run, 0), field);
  take_brain(phantom, field, values);
  patterns.maps.row(states + drifts) = -(values.array() - values.mean() + 1);
  patterns.weights.col(states + drifts) =
      options.spike_amplitude * Eigen::Map<const Eigen::VectorXd>(motion.spikes.data(), volumes);
  return patterns;
}

/// Smooth in space, autoregressive in time, of unit variance everywhere.
class Noise {
 public:
  Noise(const SimulationOptions& options, int subject, int run)
      : options_(options),
        subject_(subject),
        run_(run),
        source_(options.shape, options.noise_sd_voxels),
        fresh_(static_cast<std::size_t>(options.shape[0] * options.shape[1] * options.shape[2])),
        state_(fresh_.size()) {}

  const Volume& next() {
    source_.draw(key(options_, "noise", subject_, run_, volume_), fresh_);
    const auto keep = static_cast<float>(volume_ == 0 ? 0 : options_.noise_ar);
    const float add = std::sqrt(1 - keep * keep);
    for (std::size_t v = 0; v < state_.size(); ++v) state_[v] = keep * state_[v] + add * fresh_[v];
    ++volume_;
    return state_;
  }

 private:
  const SimulationOptions& options_;
  int subject_;
  int run_;
  FieldSource source_;
  std::int64_t volume_ = 0;
  Volume fresh_;
  Volume state_;
};

void add_patterns(const Phantom& phantom, const Patterns& patterns, std::int64_t t, float intensity, Volume& volume) {
  const Eigen::RowVectorXf weights = patterns.weights.row(t).cast<float>();
  const std::vector<std::int64_t>& voxels = phantom.brain.voxels;
  parallel_for(phantom.brain.size(), 20'000, [&](std::int64_t begin, std::int64_t end) {
    Eigen::RowVectorXf sums = Eigen::RowVectorXf::Zero(end - begin);
    for (Eigen::Index n = 0; n < weights.size(); ++n) {
      if (weights[n] != 0) sums += weights[n] * patterns.maps.row(n).segment(begin, end - begin);
    }
    for (std::int64_t v = begin; v < end; ++v) {
      volume[static_cast<std::size_t>(voxels[static_cast<std::size_t>(v)])] += intensity * sums[v - begin];
    }
  });
}

}  // namespace

SimulatedRun simulate_run(const Phantom& phantom, const SimulationOptions& options, const MatrixF& maps, int subject,
                          int run, const VolumeSink& sink) {
  if (maps.rows() != options.states || maps.cols() != phantom.brain.size()) {
    throw ShapeError(fmt::format("maps of {} × {}, expected {} states × {} voxels", maps.rows(), maps.cols(),
                                 options.states, phantom.brain.size()));
  }
  SimulatedRun result;
  result.design = draw_design(options, subject, run);
  const MatrixD responses = state_responses(result.design, options, draw_hrf(options, subject));
  const Motion motion = draw_motion(options, subject, run, result.design.volumes);
  const Patterns patterns = make_patterns(phantom, options, maps, subject, run, responses, motion);
  const auto intensity = static_cast<float>(options.noise_intensity);
  Noise noise(options, subject, run);
  ConfoundsCollector confounds(phantom);
  Volume volume(phantom.tissue.size());
  for (std::int64_t t = 0; t < result.design.volumes; ++t) {
    check_cancelled();
    const Volume& now = noise.next();
    for (std::size_t v = 0; v < volume.size(); ++v) {
      const float share = phantom.tissue[v] == Tissue::outside ? kNoiseOutside : 1.0F;
      volume[v] = phantom.baseline[v] + intensity * share * now[v];
    }
    add_patterns(phantom, patterns, t, intensity, volume);
    confounds.add(volume);
    sink(volume);
  }
  result.confounds = confounds.table(motion, options.tr_s);
  return result;
}

}  // namespace noema
