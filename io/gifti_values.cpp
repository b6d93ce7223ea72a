#include "noema/io/gifti_values.h"

#include <isa-l/igzip_lib.h>

#include <array>
#include <utility>

namespace noema {
namespace {

constexpr std::pair<const char*, int> kIntents[] = {
    {"NIFTI_INTENT_NONE", 0},           {"NIFTI_INTENT_CORREL", 2},        {"NIFTI_INTENT_TTEST", 3},
    {"NIFTI_INTENT_FTEST", 4},          {"NIFTI_INTENT_ZSCORE", 5},        {"NIFTI_INTENT_CHISQ", 6},
    {"NIFTI_INTENT_PVAL", 22},          {"NIFTI_INTENT_LOGPVAL", 23},      {"NIFTI_INTENT_LOG10PVAL", 24},
    {"NIFTI_INTENT_ESTIMATE", 1001},    {"NIFTI_INTENT_LABEL", 1002},      {"NIFTI_INTENT_VECTOR", 1007},
    {"NIFTI_INTENT_POINTSET", 1008},    {"NIFTI_INTENT_TRIANGLE", 1009},   {"NIFTI_INTENT_DIMLESS", 1011},
    {"NIFTI_INTENT_TIME_SERIES", 2001}, {"NIFTI_INTENT_NODE_INDEX", 2002}, {"NIFTI_INTENT_RGB_VECTOR", 2003},
    {"NIFTI_INTENT_RGBA_VECTOR", 2004}, {"NIFTI_INTENT_SHAPE", 2005},
};

std::uint8_t* octets(const std::byte* bytes) {
  return reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(bytes));  // ISA-L only reads its input
}

}  // namespace

std::optional<std::vector<std::byte>> inflate_zlib(std::span<const std::byte> stream, std::int64_t bytes) {
  constexpr std::int64_t kBestRatio = 1032;  // deflate can do no better
  const auto length = static_cast<std::int64_t>(stream.size());
  if (length > UINT32_MAX || bytes >= UINT32_MAX || bytes > kBestRatio * length) return {};
  std::vector<std::byte> out(static_cast<std::size_t>(bytes) + 1);  // one more, to see that nothing follows
  inflate_state state;
  isal_inflate_init(&state);
  state.crc_flag = ISAL_ZLIB;
  state.next_in = octets(stream.data());
  state.avail_in = static_cast<std::uint32_t>(stream.size());
  state.next_out = octets(out.data());
  state.avail_out = static_cast<std::uint32_t>(out.size());
  if (isal_inflate(&state) != ISAL_DECOMP_OK || state.block_state != ISAL_BLOCK_FINISH || state.avail_out != 1)
    return {};
  out.pop_back();
  return out;
}

std::vector<std::byte> deflate_zlib(std::span<const std::byte> bytes) {
  std::vector<std::byte> out(bytes.size() + bytes.size() / 8 + 1024);
  std::vector<std::uint8_t> work(ISAL_DEF_LVL2_DEFAULT);
  isal_zstream stream;
  isal_deflate_init(&stream);
  stream.gzip_flag = IGZIP_ZLIB;
  stream.level = 2;
  stream.level_buf = work.data();
  stream.level_buf_size = static_cast<std::uint32_t>(work.size());
  stream.end_of_stream = 1;
  stream.next_in = octets(bytes.data());
  stream.avail_in = static_cast<std::uint32_t>(bytes.size());
  stream.next_out = octets(out.data());
  stream.avail_out = static_cast<std::uint32_t>(out.size());
  if (isal_deflate(&stream) != COMP_OK || stream.internal_state.state != ZSTATE_END) return {};
  out.resize(stream.total_out);
  return out;
}

std::optional<NiftiType> gifti_type(std::string_view name) {
  for (const NiftiType type : {NiftiType::uint8, NiftiType::int32, NiftiType::float32, NiftiType::float64}) {
    if (name == to_string(type)) return type;
  }
  return {};
}

std::vector<double> to_row_major(std::span<const double> values, std::span<const std::int64_t> shape) {
  std::vector<double> sorted(values.size());
  std::vector<std::int64_t> at(shape.size(), 0);
  std::vector<std::int64_t> step(shape.size(), 1);  // of each axis in the column-major values
  for (std::size_t axis = 1; axis < shape.size(); ++axis) step[axis] = step[axis - 1] * shape[axis - 1];
  for (double& value : sorted) {
    std::int64_t from = 0;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) from += at[axis] * step[axis];
    value = values[static_cast<std::size_t>(from)];
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      if (++at[axis] < shape[axis]) break;
      at[axis] = 0;
    }
  }
  return sorted;
}

std::optional<int> gifti_intent(std::string_view name) {
  for (const auto& [known, code] : kIntents) {
    if (name == known) return code;
  }
  return {};
}

std::string gifti_intent_name(int code) {
  for (const auto& [name, known] : kIntents) {
    if (code == known) return name;
  }
  return "NIFTI_INTENT_NONE";
}

}  // namespace noema
