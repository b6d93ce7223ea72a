// From blocks to samples.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/learn/labels.h"
#include "noema/learn/response.h"

namespace noema {
namespace {

/// Equal weights without a response; zero weight where the response is not positive.
std::vector<float> weights_of(const std::vector<int>& volumes, const Series& series,
                              const PredictedResponse* response) {
  std::vector<double> weights(volumes.size(), 1.0);
  double sum = static_cast<double>(volumes.size());
  if (response != nullptr) {
    sum = 0;
    for (std::size_t i = 0; i < volumes.size(); ++i) {
      weights[i] = std::max(0.0, response->at(series.centre_s(volumes[i])));
      sum += weights[i];
    }
    if (sum == 0) return weights_of(volumes, series, nullptr);
  }
  std::vector<float> unit_sum;
  for (double weight : weights) unit_sum.push_back(static_cast<float>(weight / sum));
  return unit_sum;
}

/// A sample of the usable volumes in the window; without volumes if there are none.
Sample sample_in(TimeWindow window, int block, const std::vector<Block>& blocks, const std::vector<LearningRun>& runs,
                 const PredictedResponse* response) {
  const Block& source = blocks[static_cast<std::size_t>(block)];
  const Series& series = runs[static_cast<std::size_t>(source.run)].series;
  Sample sample{block, source.run, source.label, {}, {}};
  const VolumeRange range = volumes_between(series, window.begin_s, window.end_s);
  for (int volume = range.first; volume < range.end; ++volume) {
    if (series.keep[static_cast<std::size_t>(volume)]) sample.volumes.push_back(volume);
  }
  sample.weights = weights_of(sample.volumes, series, response);
  return sample;
}

/// One sample for each block: from its own window, cut where the next block of the run begins to be seen.
std::vector<Sample> block_samples(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks,
                                  const LabelRule& rule, double delay_s) {
  const bool by_response = rule.delay == DelayKind::hrf;
  std::vector<TimeWindow> seen;
  for (const Block& block : blocks) {
    seen.push_back(by_response ? PredictedResponse(block.onset_s, block.end_s).half_maximum()
                               : TimeWindow{block.onset_s + delay_s, block.end_s + delay_s});
  }
  std::vector<Sample> samples;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    TimeWindow window{seen[b].begin_s + rule.discard_s, seen[b].end_s + rule.extend_s};
    const bool has_next = b + 1 < blocks.size() && blocks[b + 1].run == blocks[b].run;
    if (has_next) window.end_s = std::min(window.end_s, seen[b + 1].begin_s);
    const PredictedResponse response(blocks[b].onset_s, blocks[b].end_s);
    samples.push_back(sample_in(window, static_cast<int>(b), blocks, runs, by_response ? &response : nullptr));
  }
  return samples;
}

std::vector<Sample> trial_samples(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks,
                                  const LabelRule& rule, double delay_s) {
  if (rule.trial_s <= 0) {
    throw UsageError("samples that are trials need the length of their window: give trial_s, such as 6 s");
  }
  const bool by_response = rule.delay == DelayKind::hrf;
  std::vector<Sample> samples;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    for (const Event& event : blocks[b].events) {
      const double begin_s = event.onset_s + (by_response ? 0 : delay_s);
      const PredictedResponse response(event.onset_s, event.end_s());
      samples.push_back(sample_in({begin_s, begin_s + rule.trial_s}, static_cast<int>(b), blocks, runs,
                                  by_response ? &response : nullptr));
    }
  }
  return samples;
}

std::vector<Sample> run_samples(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks) {
  std::vector<Sample> samples;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const LearningRun& run = runs[static_cast<std::size_t>(blocks[b].run)];
    if (b > 0 && blocks[b].run == blocks[b - 1].run) {
      throw DataError(
          fmt::format("run '{}' has several blocks, but samples that are whole runs need one label for each run: take "
                      "the label from "
                      "an entity or from participants.tsv, or use the unit blocks",
                      run.id));
    }
    const Event whole = whole_run_event(run.series, "");
    samples.push_back(sample_in({whole.onset_s, whole.end_s()}, static_cast<int>(b), blocks, runs, nullptr));
  }
  return samples;
}

std::vector<Sample> samples_of_unit(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks,
                                    SampleUnit unit, const LabelRule& rule, double delay_s) {
  if (unit == SampleUnit::runs) return run_samples(runs, blocks);
  if (unit == SampleUnit::trials) return trial_samples(runs, blocks, rule, delay_s);
  return block_samples(runs, blocks, rule, delay_s);
}

const char* noun(SampleUnit unit) {
  if (unit == SampleUnit::runs) return "runs";
  return unit == SampleUnit::trials ? "trials" : "blocks";
}

std::vector<Sample> without_empty(std::vector<Sample> samples, const std::vector<LearningRun>& runs,
                                  const std::vector<Block>& blocks, const char* what) {
  const std::size_t all = samples.size();
  const auto is_empty = [](const Sample& sample) { return sample.volumes.empty(); };
  const auto first = std::find_if(samples.begin(), samples.end(), is_empty);
  if (first == samples.end()) return samples;
  const Block& block = blocks[static_cast<std::size_t>(first->block)];
  const std::string example = fmt::format("the first belongs to the block from {:g} to {:g} s of run '{}'",
                                          block.onset_s, block.end_s, runs[static_cast<std::size_t>(block.run)].id);
  const std::size_t lost = std::erase_if(samples, is_empty);
  if (lost == all) {
    throw DataError(
        fmt::format("none of the {} {} keeps a volume ({}): they may be shorter than a volume (extend_s, or "
                    "the unit trials with trial_s, makes windows longer), discard_s may be too long, or "
                    "all of their volumes are censored",
                    all, what, example));
  }
  log_warning(fmt::format("{} of {} {} keep no volume and are left out; {}", lost, all, what, example));
  return samples;
}

}  // namespace

std::vector<Sample> make_samples(const std::vector<LearningRun>& runs, const std::vector<Block>& blocks,
                                 SampleUnit unit, const LabelRule& rule, double delay_s) {
  rule.validate();
  for (const LearningRun& run : runs) check_keep_mask(run);
  const std::vector<Sample> samples =
      without_empty(samples_of_unit(runs, blocks, unit, rule, delay_s), runs, blocks, noun(unit));
  if (unit != SampleUnit::volumes) return samples;
  std::vector<Sample> volumes;
  for (const Sample& sample : samples) {
    for (int volume : sample.volumes) volumes.push_back({sample.block, sample.run, sample.label, {volume}, {1.0F}});
  }
  return volumes;
}

SampleUnit choose_unit(const Split& split, const std::vector<Block>& blocks, const LabelTable& labels) {
  constexpr int kEnoughBlocks = 5;
  if (split.leaks) return SampleUnit::volumes;
  for (const Fold& fold : split.folds) {
    std::vector<int> counts(labels.names.size(), 0);
    for (int block : fold.train) ++counts[static_cast<std::size_t>(blocks[static_cast<std::size_t>(block)].label)];
    if (*std::min_element(counts.begin(), counts.end()) < kEnoughBlocks) return SampleUnit::volumes;
  }
  return SampleUnit::blocks;
}

}  // namespace noema
