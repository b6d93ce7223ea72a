// kernels/cpu/rows: rows of a series as contiguous memory, where they are or gathered for some items and channels.
#pragma once

#include <cstdint>
#include <type_traits>

#include "noema/kernels/cpu/aligned.h"
#include "noema/kernels/cpu/loops.h"
#include "noema/kernels/series.h"

namespace noema::cpu {

/// Items and channels that are worked on together.
struct Group {
  ChannelRange items, channels;
};

template <class Value>
class Rows {
 public:
  /// Of a series whose channels lie side by side: a cache line.
  static constexpr std::int64_t kChannelsTogether = 16;

  Rows(const Series3<Value>& series, std::int64_t length, const RowLoops& loops)
      : series_(series), length_(length), pitch_(length + 16 - length % 16), loops_(&loops) {}

  /// Rows are where the caller has them.
  bool in_place() const { return series_.data == nullptr || series_.time_pitch == 1; }

  /// The rows of a group, as they are.
  void read(const Group& group) {
    move_to(group);
    if (in_place()) return;
    for (std::int64_t b = group.items.begin; b < group.items.end; ++b) {
      loops_->gather(series_.row(b, group.channels.begin), series_.time_pitch, series_.channel_pitch, length_,
                     group.channels.end - group.channels.begin, gathered(b, group.channels.begin), pitch_);
    }
  }
  /// Room for the rows of a group that will be written.
  void move_to(const Group& group) {
    group_ = group;
    if (in_place() || buffer_ != nullptr) return;
    buffer_ = aligned_floats((group.items.end - group.items.begin) * kChannelsTogether * pitch_);
  }
  void write() const {
    if (in_place()) return;
    if constexpr (!std::is_const_v<Value>) {
      for (std::int64_t b = group_.items.begin; b < group_.items.end; ++b) {
        loops_->scatter(row(b, group_.channels.begin), pitch_, length_, group_.channels.end - group_.channels.begin,
                        series_.row(b, group_.channels.begin), series_.time_pitch, series_.channel_pitch);
      }
    }
  }
  /// Null where there is no such series.
  Value* row(std::int64_t item, std::int64_t channel) const {
    if (series_.data == nullptr) return nullptr;
    return in_place() ? series_.row(item, channel) : gathered(item, channel);
  }

 private:
  float* gathered(std::int64_t item, std::int64_t channel) const {
    return buffer_.get() + ((item - group_.items.begin) * kChannelsTogether + channel - group_.channels.begin) * pitch_;
  }

  Series3<Value> series_;
  std::int64_t length_, pitch_;
  const RowLoops* loops_;
  Group group_;
  AlignedFloats buffer_;
};

}  // namespace noema::cpu
