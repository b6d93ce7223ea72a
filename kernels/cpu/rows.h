// kernels/cpu/rows: rows of a series as contiguous memory, where they are or gathered for some channels of one item.
#pragma once

#include <cstdint>
#include <type_traits>

#include "noema/kernels/cpu/aligned.h"
#include "noema/kernels/cpu/transform.h"
#include "noema/kernels/series.h"

namespace noema::cpu {

template <class Value>
class Rows {
 public:
  /// Channels that are gathered together: a cache line of a series whose channels lie side by side.
  static constexpr std::int64_t kTogether = 16;

  Rows(const Series3<Value>& series, std::int64_t length, const TransformLoops& loops)
      : series_(series), length_(length), pitch_(length + 16 - length % 16), loops_(&loops) {
    if (series.data != nullptr && series.time_pitch != 1) buffer_ = aligned_floats(kTogether * pitch_);
  }

  /// Rows are where the caller has them.
  bool in_place() const { return buffer_ == nullptr; }

  void gather(std::int64_t item, ChannelRange channels) {
    if (in_place()) return;
    loops_->gather(series_.row(item, channels.begin), series_.time_pitch, series_.channel_pitch, length_,
                   channels.end - channels.begin, buffer_.get(), pitch_);
    first_ = channels.begin;
  }
  /// The rows that follow are to be written.
  void begin(ChannelRange channels) { first_ = channels.begin; }
  void scatter(std::int64_t item, ChannelRange channels) const {
    if (in_place()) return;
    if constexpr (!std::is_const_v<Value>) {
      loops_->scatter(buffer_.get(), pitch_, length_, channels.end - channels.begin, series_.row(item, channels.begin),
                      series_.time_pitch, series_.channel_pitch);
    }
  }
  /// Null where there is no such series.
  Value* row(std::int64_t item, std::int64_t channel) const {
    if (series_.data == nullptr) return nullptr;
    return in_place() ? series_.row(item, channel) : buffer_.get() + (channel - first_) * pitch_;
  }
  /// The row after this one in the order of work, null where it is not in memory as a row or there is none.
  Value* next(std::int64_t item, std::int64_t items, std::int64_t channel) const {
    return series_.data != nullptr && in_place() && item + 1 < items ? series_.row(item + 1, channel) : nullptr;
  }

 private:
  Series3<Value> series_;
  std::int64_t length_, pitch_, first_ = 0;
  const TransformLoops* loops_;
  AlignedFloats buffer_;
};

}  // namespace noema::cpu
