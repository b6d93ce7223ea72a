// mixers/mixer_options: the options of each mixer by name, in one list that serves reading and writing; for
// mixer_list.cpp.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "noema/mixers/attention.h"
#include "noema/mixers/butterfly.h"
#include "noema/mixers/gated_long_conv.h"
#include "noema/mixers/h3.h"
#include "noema/mixers/long_conv.h"
#include "noema/mixers/monarch.h"
#include "noema/mixers/separable_conv.h"
#include "noema/mixers/short_conv.h"
#include "noema/mixers/swiglu.h"

namespace noema::mixer_options {

/// The values of an option that is a choice.
template <class Choice>
struct Choices;
template <class Choice, std::size_t count>
using ChoiceNames = std::array<std::pair<Choice, std::string_view>, count>;

template <>
struct Choices<LagConvention> {
  static constexpr ChoiceNames<LagConvention, 3> all{{{LagConvention::causal, "causal"},
                                                      {LagConvention::bidirectional, "bidirectional"},
                                                      {LagConvention::ring, "ring"}}};
};
template <>
struct Choices<KernelStart> {
  static constexpr ChoiceNames<KernelStart, 3> all{
      {{KernelStart::decay, "decay"}, {KernelStart::random, "random"}, {KernelStart::double_exp, "double_exp"}}};
};
template <>
struct Choices<KernelKind> {
  static constexpr ChoiceNames<KernelKind, 6> all{{{KernelKind::taps, "taps"},
                                                   {KernelKind::sine, "sine"},
                                                   {KernelKind::state_space, "state-space"},
                                                   {KernelKind::shift, "shift"},
                                                   {KernelKind::rational, "rational"},
                                                   {KernelKind::band_limited, "band-limited"}}};
};
template <>
struct Choices<StateSpaceStart> {
  static constexpr ChoiceNames<StateSpaceStart, 2> all{
      {{StateSpaceStart::linear, "linear"}, {StateSpaceStart::inverse, "inverse"}}};
};
template <>
struct Choices<Discretisation> {
  static constexpr ChoiceNames<Discretisation, 2> all{
      {{Discretisation::bilinear, "bilinear"}, {Discretisation::zero_hold, "zero-hold"}}};
};
template <>
struct Choices<RealPart> {
  static constexpr ChoiceNames<RealPart, 2> all{
      {{RealPart::exponential, "exponential"}, {RealPart::softplus, "softplus"}}};
};
template <>
struct Choices<LongConvPrecision> {
  static constexpr ChoiceNames<LongConvPrecision, 3> all{{{LongConvPrecision::float32, "float32"},
                                                          {LongConvPrecision::bf16x3, "bf16x3"},
                                                          {LongConvPrecision::bf16, "bf16"}}};
};
template <>
struct Choices<ChannelStructure> {
  static constexpr ChoiceNames<ChannelStructure, 2> all{
      {{ChannelStructure::block_diagonal, "block-diagonal"}, {ChannelStructure::monarch, "monarch"}}};
};

template <class Visit>
void fields(Visit& visit, StateSpaceOptions& o) {
  visit("modes", o.modes);
  visit("modes_start", o.start);
  visit("discretisation", o.discretisation);
  visit("real_part", o.real_part);
  visit("least_step", o.least_step);
  visit("largest_step", o.largest_step);
}

template <class Visit>
void fields(Visit& visit, KernelOptions& o) {
  visit("kernel", o.kind);
  visit("sine_width", o.sine.width);
  visit("sine_layers", o.sine.layers);
  visit("sine_waves", o.sine.waves);
  visit("sine_frequency", o.sine.frequency);
  visit("sine_slow_decay", o.sine.slow_decay);
  visit("sine_fast_decay", o.sine.fast_decay);
  fields(visit, o.state_space);
  visit("rational_order", o.rational_order);
  visit("band_coefficients", o.band_coefficients);
}

/// What all mixers with a long kernel have.
template <class Visit, class Options>
void fields_of_long_kernel(Visit& visit, Options& o) {
  visit("taps", o.taps);
  fields(visit, o.kernel);
  visit("start", o.start);
  visit("squash_threshold", o.squash_threshold);
  visit("kernel_dropout", o.kernel_dropout);
  visit("dropout", o.dropout);
}

/// What the long convolution and the butterfly that starts as one have.
template <class Visit>
void fields_of_block(Visit& visit, LongConvOptions& o) {
  fields_of_long_kernel(visit, o);
  visit("convention", o.convention);
  visit("smooth_width", o.smooth_width);
  visit("published_smoothing", o.published_smoothing);
}

template <class Visit>
void fields(Visit& visit, LongConvOptions& o) {
  fields_of_block(visit, o);
  visit("precision", o.precision);
}

template <class Visit>
void fields(Visit& visit, GatedLongConvOptions& o) {
  fields_of_long_kernel(visit, o);
  visit("convention", o.convention);
  visit("short_taps", o.short_taps);
  visit("residual", o.residual);
  visit("precision", o.precision);
}

template <class Visit>
void fields(Visit& visit, ButterflyConvOptions& o) {
  fields_of_block(visit, o);
  visit("radix", o.radix);
}

template <class Visit>
void fields(Visit& visit, ShortConvOptions& o) {
  visit("taps", o.taps);
  visit("convention", o.convention);
  visit("dropout", o.dropout);
}

template <class Visit>
void fields(Visit& visit, H3Options& o) {
  visit("head_size", o.head_size);
  visit("shift_taps", o.shift_taps);
  fields(visit, o.state_space);
  visit("dropout", o.dropout);
  visit("precision", o.precision);
}

template <class Visit>
void fields(Visit& visit, AttentionOptions& o) {
  visit("heads", o.heads);
  visit("groups", o.groups);
  visit("causal", o.reach.causal);
  visit("window", o.reach.window);
  visit("rotary", o.rotary);
  visit("dropout", o.dropout);
}

template <class Visit>
void fields(Visit& visit, SwiGluOptions& o) {
  visit("hidden", o.hidden);
  visit("dropout", o.dropout);
}

template <class Visit>
void fields(Visit& visit, MonarchGluOptions& o) {
  visit("hidden", o.hidden);
  visit("blocks", o.blocks);
  visit("structure", o.structure);
  visit("dropout", o.dropout);
}

template <class Visit>
void fields(Visit& visit, SeparableConvOptions& o) {
  visit("grid", o.grid);
  visit("taps", o.taps);
  visit("time_taps", o.time_taps);
  visit("dropout", o.dropout);
}

}  // namespace noema::mixer_options
