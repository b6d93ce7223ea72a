#include "noema/mixers/mixer_list.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <type_traits>

#include "noema/core/command.h"
#include "noema/core/error.h"
#include "noema/mixers/mixer_options.h"

namespace noema {
namespace {

using mixer_options::Choices;

std::string shown(const MixerOption& value) {
  return std::visit(
      [](const auto& held) {
        using Value = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Value, std::string>) return fmt::format("'{}'", held);
        if constexpr (std::is_same_v<Value, std::vector<std::int64_t>>)
          return fmt::format("[{}]", fmt::join(held, ", "));
        if constexpr (std::is_arithmetic_v<Value>) return fmt::format("{}", held);
      },
      value);
}

template <class Choice>
std::vector<std::string> choice_names() {
  std::vector<std::string> names;
  for (const auto& [value, name] : Choices<Choice>::all) names.emplace_back(name);
  return names;
}

/// Takes options from a description.
class Reader {
 public:
  explicit Reader(const MixerDescription& description) : description_(description) {}

  template <class Value>
  void operator()(const char* name, Value& value) {
    const auto found = description_.options.find(name);
    if (found != description_.options.end()) take(name, found->second, value);
  }

 private:
  [[noreturn]] void refuse(const char* name, const MixerOption& found, const std::string& expected) const {
    throw UsageError(fmt::format("option {} of a mixer of kind '{}' is {}, expected {}", name, description_.kind,
                                 shown(found), expected));
  }

  void take(const char* name, const MixerOption& from, bool& to) {
    if (const auto* value = std::get_if<bool>(&from)) {
      to = *value;
    } else {
      refuse(name, from, "true or false");
    }
  }
  void take(const char* name, const MixerOption& from, std::int64_t& to) {
    if (const auto* value = std::get_if<std::int64_t>(&from)) {
      to = *value;
    } else {
      refuse(name, from, "a whole number");
    }
  }
  void take(const char* name, const MixerOption& from, double& to) {
    if (const auto* whole = std::get_if<std::int64_t>(&from)) {
      to = static_cast<double>(*whole);
    } else if (const auto* value = std::get_if<double>(&from)) {
      to = *value;
    } else {
      refuse(name, from, "a number");
    }
  }
  void take(const char* name, const MixerOption& from, std::array<std::int64_t, 3>& to) {
    const auto* values = std::get_if<std::vector<std::int64_t>>(&from);
    if (values == nullptr || values->size() != to.size()) refuse(name, from, "three whole numbers, such as [9, 11, 9]");
    std::copy(values->begin(), values->end(), to.begin());
  }
  template <class Choice>
  requires std::is_enum_v<Choice>
  void take(const char* name, const MixerOption& from, Choice& to) {
    const auto* text = std::get_if<std::string>(&from);
    for (const auto& [value, known] : Choices<Choice>::all) {
      if (text == nullptr || *text != known) continue;
      to = value;
      return;
    }
    refuse(name, from, fmt::format("one of '{}'", fmt::join(choice_names<Choice>(), "', '")));
  }

  const MixerDescription& description_;
};

/// Puts options into a description.
class Writer {
 public:
  explicit Writer(MixerOptions& options) : options_(options) {}

  template <class Value>
  void operator()(const char* name, const Value& value) {
    if constexpr (std::is_enum_v<Value>) {
      const auto& all = Choices<Value>::all;
      const auto found =
          std::find_if(all.begin(), all.end(), [&](const auto& choice) { return choice.first == value; });
      options_[name] = std::string(found->second);
    } else if constexpr (std::is_same_v<Value, std::array<std::int64_t, 3>>) {
      options_[name] = std::vector<std::int64_t>(value.begin(), value.end());
    } else {
      options_[name] = value;
    }
  }

 private:
  MixerOptions& options_;
};

template <class Options>
MixerOptions written(Options options) {
  MixerOptions to;
  Writer writer(to);
  mixer_options::fields(writer, options);
  return to;
}

template <class Options>
Options read(const MixerDescription& description, Options options) {
  const MixerOptions known = written(options);
  for (const auto& [name, value] : description.options) {
    if (known.contains(name)) continue;
    std::vector<std::string> names;
    for (const auto& [other, unused] : known) names.push_back(other);
    const auto nearest = nearest_match(name, names);
    throw UsageError(fmt::format("a mixer of kind '{}' has no option '{}'{}, expected some of {}", description.kind,
                                 name, nearest ? fmt::format("; did you mean '{}'?", *nearest) : "",
                                 fmt::join(names, ", ")));
  }
  Reader reader(description);
  mixer_options::fields(reader, options);
  return options;
}

struct Kind {
  std::string name;
  std::function<MixerOptions(const MixerDescription&)> options;
  std::function<std::shared_ptr<Mixer>(const MixerDescription&, const MixerShape&, at::Generator&)> make;
};

/// `suit` gives the options what the shape says.
template <class Module, class Options>
Kind kind(std::string name, Options defaults, void (*suit)(Options&, const MixerShape&)) {
  return {std::move(name),
          [defaults](const MixerDescription& description) { return written(read(description, defaults)); },
          [defaults, suit](const MixerDescription& description, const MixerShape& shape, at::Generator& generator) {
            Options options = read(description, defaults);
            suit(options, shape);
            return std::make_shared<Module>(options, generator);
          }};
}

template <class Options>
void suit_channels(Options& options, const MixerShape& shape) {
  options.channels = shape.channels;
}

/// Kernels of 0 taps are as long as the window.
template <class Options>
void suit_taps(Options& options, const MixerShape& shape) {
  suit_channels(options, shape);
  if (options.taps == 0) options.taps = shape.volumes;
}

template <class Options>
Options as_long_as_the_window() {
  Options options;
  options.taps = 0;
  return options;
}

void suit_attention(AttentionOptions& options, const MixerShape& shape) {
  suit_channels(options, shape);
  options.volumes = shape.volumes;
}

void suit_grid(SeparableConvOptions& options, const MixerShape& shape) {
  std::int64_t places = 1;
  for (const std::int64_t size : options.grid) places *= std::max<std::int64_t>(size, 1);
  if (shape.channels % places != 0) {
    throw UsageError(fmt::format("a grid of {} places was found for {} channels, expected a divisor of them", places,
                                 shape.channels));
  }
  options.features = shape.channels / places;
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      kind<Attention>("attention", AttentionOptions(), suit_attention),
      kind<ButterflyConv>("butterfly-conv", as_long_as_the_window<ButterflyConvOptions>(), suit_taps),
      kind<GatedLongConv>("gated-long-conv", as_long_as_the_window<GatedLongConvOptions>(), suit_taps),
      kind<H3>("h3", H3Options(), suit_channels),
      kind<LongConv>("long-conv", as_long_as_the_window<LongConvOptions>(), suit_taps),
      kind<MonarchGlu>("monarch", MonarchGluOptions(), suit_channels),
      kind<SeparableConv>("separable-conv", SeparableConvOptions(), suit_grid),
      kind<ShortConv>("short-conv", ShortConvOptions(), suit_channels),
      kind<SwiGlu>("swiglu", SwiGluOptions(), suit_channels)};
  return all;
}

const Kind& kind_of(const std::string& name) {
  for (const Kind& kind : kinds()) {
    if (kind.name == name) return kind;
  }
  const std::vector<std::string> known = mixer_kinds();
  const auto nearest = nearest_match(name, known);
  throw UsageError(fmt::format("there is no mixer of kind '{}'{}, expected one of {}", name,
                               nearest ? fmt::format("; did you mean '{}'?", *nearest) : "", fmt::join(known, ", ")));
}

}  // namespace

std::vector<std::string> mixer_kinds() {
  std::vector<std::string> names;
  for (const Kind& kind : kinds()) names.push_back(kind.name);
  return names;
}

MixerOptions mixer_defaults(const std::string& kind) { return kind_of(kind).options({kind, {}}); }

MixerDescription complete(const MixerDescription& description) {
  return {description.kind, kind_of(description.kind).options(description)};
}

MixerDescription describe(const LongConvOptions& options) { return {"long-conv", written(options)}; }

std::shared_ptr<Mixer> make_mixer(const MixerDescription& description, const MixerShape& shape,
                                  at::Generator& generator) {
  return kind_of(description.kind).make(description, shape, generator);
}

MixerCost cost_of(const std::string& kind, const Mixer& mixer, std::int64_t volumes) {
  return {kind, mixer.parameter_count(), mixer.flops(volumes), volumes, mixer.state_bytes()};
}

}  // namespace noema
