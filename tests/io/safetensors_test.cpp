#include "noema/io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "noema/core/error.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using ::testing::HasSubstr;

std::string file_of(const std::string& header, const std::string& data = "", std::int64_t length = -1) {
  const std::uint64_t stated = length < 0 ? header.size() : static_cast<std::uint64_t>(length);
  std::string text(8, '\0');
  std::memcpy(text.data(), &stated, 8);
  return text + header + data;
}

class SafeTensorsTest : public ::testing::Test {
 protected:
  /// The text of the FormatError that reading these bytes gives.
  std::string refusal(const std::string& bytes) {
    write_text(folder_ / "x.safetensors", bytes);
    const std::string error = error_of<FormatError>([&] { read_safetensors(folder_ / "x.safetensors"); });
    EXPECT_EQ(error, error_of<FormatError>([&] { read_safetensors_metadata(folder_ / "x.safetensors"); }));
    return error;
  }
  SafeTensors write_and_read(const SafeTensors& content) {
    write_safetensors(folder_ / "y.safetensors", content);
    return read_safetensors(folder_ / "y.safetensors");
  }
  TemporaryFolder folder_;
};

// Values, shapes and texts come back as they were, to the bit.
TEST_F(SafeTensorsTest, ValuesComeBack) {
  const std::vector<float> floats{1.5F, -0.0F, std::numeric_limits<float>::infinity(), 3e-42F, 7, 8};
  const std::vector<double> doubles{M_PI, -1e300};
  const std::vector<std::int64_t> ints{std::numeric_limits<std::int64_t>::min(), 0, 42};
  SafeTensors content;
  content.tensors["a.float"] = TensorData::from_floats({2, 3}, floats);
  content.tensors["double"] = TensorData::from_doubles({2}, doubles);
  content.tensors["int"] = TensorData::from_ints({3, 1}, ints);
  content.tensors["scalar"] = TensorData::from_doubles({}, std::vector{2.5});
  content.tensors["empty"] = TensorData::from_floats({0, 4}, {});
  content.metadata = {{"title", "ein \"Zitat\"\nμ"}, {"", "empty key"}};
  const SafeTensors back = write_and_read(content);
  EXPECT_EQ(back.metadata, content.metadata);
  EXPECT_EQ(read_safetensors_metadata(folder_ / "y.safetensors"), content.metadata);
  ASSERT_EQ(back.tensors.size(), 5U);
  EXPECT_EQ(back.tensor("a.float").floats(), floats);
  EXPECT_TRUE(std::signbit(back.tensor("a.float").floats()[1]));
  EXPECT_EQ(back.tensor("a.float").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(back.tensor("double").doubles(), doubles);
  EXPECT_EQ(back.tensor("int").ints(), ints);
  EXPECT_EQ(back.tensor("scalar").shape.size(), 0U);
  EXPECT_EQ(back.tensor("scalar").doubles(), std::vector{2.5});
  EXPECT_EQ(back.tensor("empty").shape, (std::vector<std::int64_t>{0, 4}));
  EXPECT_EQ(back.tensor("empty").element_count(), 0);
  EXPECT_EQ(std::filesystem::file_size(folder_ / "y.safetensors") % 8, 0U);
}

// Every dtype keeps its bytes, and is aligned in the file whatever its name.
TEST_F(SafeTensorsTest, EveryDtype) {
  const std::vector<std::pair<std::string, std::size_t>> bytes_of_8{
      {"F64", 64}, {"I64", 64},  {"U64", 64}, {"C64", 64},    {"F32", 32},    {"I32", 32},    {"U32", 32},
      {"F16", 16}, {"BF16", 16}, {"I16", 16}, {"U16", 16},    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8},
      {"I8", 8},   {"U8", 8},    {"BOOL", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4}};
  SafeTensors content;
  int next = 0;
  for (const auto& [dtype, bytes] : bytes_of_8) {
    TensorData& tensor = content.tensors[dtype];
    tensor.dtype = dtype;
    tensor.shape = {2, 4};
    for (std::size_t i = 0; i < bytes; ++i) tensor.bytes.push_back(static_cast<std::byte>(next++ % 251));
  }
  const SafeTensors back = write_and_read(content);
  ASSERT_EQ(back.tensors.size(), bytes_of_8.size());
  for (const auto& [name, tensor] : content.tensors) {
    EXPECT_EQ(back.tensor(name).dtype, name);
    EXPECT_EQ(back.tensor(name).shape, tensor.shape);
    EXPECT_EQ(back.tensor(name).bytes, tensor.bytes) << name;
  }
}

TEST_F(SafeTensorsTest, NoTensors) {
  EXPECT_TRUE(write_and_read({}).tensors.empty());
  write_text(folder_ / "x.safetensors", file_of("{}      "));
  EXPECT_TRUE(read_safetensors(folder_ / "x.safetensors").tensors.empty());
}

// A file that was written by hand after the format's description.
TEST_F(SafeTensorsTest, HandMadeFile) {
  write_text(folder_ / "x.safetensors",
             file_of(R"({"b":{"dtype":"U8","shape":[3],"data_offsets":[2,5]},"__metadata__":{"k":"v"},)"
                     R"("a":{"dtype":"I16","shape":[1],"data_offsets":[0,2]},)"
                     R"("e":{"dtype":"F32","shape":[0],"data_offsets":[2,2]}} )",
                     "\x01\x02xyz"));
  const SafeTensors content = read_safetensors(folder_ / "x.safetensors");
  EXPECT_EQ(content.text("k"), "v");
  EXPECT_EQ(content.tensor("a").bytes, (std::vector{std::byte{1}, std::byte{2}}));
  EXPECT_EQ(content.tensor("b").bytes, (std::vector{std::byte{'x'}, std::byte{'y'}, std::byte{'z'}}));
  EXPECT_TRUE(content.tensor("e").bytes.empty());
}

TEST_F(SafeTensorsTest, LengthOfHeader) {
  EXPECT_THAT(refusal("1234567"), HasSubstr("too few"));
  EXPECT_THAT(refusal(file_of("{}", "", 3)), HasSubstr("cut off"));
  EXPECT_THAT(refusal(file_of("{}", "", 200'000'000)), HasSubstr("at most 100000000"));
  EXPECT_THAT(refusal(std::string(8, '\xff') + "{}"), HasSubstr("at most"));
  EXPECT_THAT(refusal(file_of("")), HasSubstr("begin with '{'"));
  EXPECT_THAT(refusal(file_of(" {}")), HasSubstr("begin with '{'"));
}

TEST_F(SafeTensorsTest, HeaderText) {
  EXPECT_THAT(refusal(file_of("{\"a\": }")), HasSubstr("byte 14"));
  EXPECT_THAT(refusal(file_of("{} {}")), HasSubstr("no JSON"));
  EXPECT_THAT(refusal(file_of("{\"\xff\": 1}")), HasSubstr("no JSON"));
  EXPECT_THAT(refusal(file_of(R"({"a":[[[[[[1]]]]]]})")), HasSubstr("nested"));
  EXPECT_THAT(refusal(file_of(R"({"a":7})")), HasSubstr("expected an object"));
}

TEST_F(SafeTensorsTest, RepeatedKeys) {
  const std::string a = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_THAT(refusal(file_of("{" + a + "," + a + "}", "x")), HasSubstr("'a' stands twice"));
  EXPECT_THAT(refusal(file_of(R"({"__metadata__":{"k":"1","k":"2"}})")), HasSubstr("'k' stands twice"));
  EXPECT_THAT(refusal(file_of(R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x")),
              HasSubstr("'dtype' stands twice"));
}

TEST_F(SafeTensorsTest, Metadata) {
  EXPECT_THAT(refusal(file_of(R"({"__metadata__":{"k":1}})")), HasSubstr("'k' are number, expected text"));
  EXPECT_THAT(refusal(file_of(R"({"__metadata__":["k"]})")), HasSubstr("no JSON object"));
}

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

TEST_F(SafeTensorsTest, Entries) {
  EXPECT_THAT(refusal(file_of(R"({"a":{"dtype":"U8","shape":[1]}})", "x")), HasSubstr("no 'data_offsets'"));
  EXPECT_THAT(refusal(file_of(one("F128", "[1]", "[0,16]"), std::string(16, 'x'))), HasSubstr("unknown dtype 'F128'"));
  EXPECT_THAT(refusal(file_of(one("U8", "[-1]", "[0,1]"), "x")), HasSubstr("-1 in 'shape'"));
  EXPECT_THAT(refusal(file_of(one("U8", "[1.0]", "[0,1]"), "x")), HasSubstr("1.0 in 'shape'"));
  EXPECT_THAT(refusal(file_of(one("U8", "1", "[0,1]"), "x")), HasSubstr("no list"));
  EXPECT_THAT(refusal(file_of(one("U8", "[1]", "[0]"), "x")), HasSubstr("1 data_offsets"));
  EXPECT_THAT(refusal(file_of(one("U8", "[1]", "[1,0]"), "x")), HasSubstr("offsets 1 to 0"));
  EXPECT_THAT(refusal(file_of(one("F32", "[2]", "[0,7]"), std::string(7, 'x'))), HasSubstr("7 bytes by its offsets"));
  EXPECT_THAT(refusal(file_of(one("F4", "[3]", "[0,1]"), "x")), HasSubstr("whole bytes"));
}

// 2^33 · 2^33 elements, 2^62 elements of 8 bytes: products that wrap around to something small.
TEST_F(SafeTensorsTest, SizesThatOverflow) {
  EXPECT_THAT(refusal(file_of(one("U8", "[8589934592,8589934592]", "[0,0]"))), HasSubstr("impossible shape"));
  EXPECT_THAT(refusal(file_of(one("F64", "[4611686018427387904]", "[0,0]"))), HasSubstr("impossible shape"));
  EXPECT_THAT(refusal(file_of(one("U8", "[18446744073709551615,2]", "[0,0]"))), HasSubstr("64 bits"));
}

TEST_F(SafeTensorsTest, Layout) {
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + second + "}}";
  };
  EXPECT_THAT(refusal(file_of(two("[0,2]", "[1,3]"), "xyz")), HasSubstr("overlaps"));
  EXPECT_THAT(refusal(file_of(two("[0,2]", "[0,2]"), "xy")), HasSubstr("overlaps"));
  EXPECT_THAT(refusal(file_of(two("[0,2]", "[3,5]"), "vwxyz")), HasSubstr("hole"));
  EXPECT_THAT(refusal(file_of(two("[1,3]", "[3,5]"), "vwxyz")), HasSubstr("hole"));
  EXPECT_THAT(refusal(file_of(two("[0,2]", "[2,4]"), "wxy")), HasSubstr("cut off"));
  EXPECT_THAT(refusal(file_of(two("[0,2]", "[2,4]"), "vwxyz")), HasSubstr("1 bytes follow"));
  EXPECT_THAT(refusal(file_of("{}", "x")), HasSubstr("1 bytes follow"));
}

// Whatever the place where a file is cut off, it is refused.
TEST_F(SafeTensorsTest, CutOffAnywhere) {
  SafeTensors content;
  content.tensors["a"] = TensorData::from_floats({3}, std::vector<float>{1, 2, 3});
  content.metadata["k"] = "v";
  write_safetensors(folder_ / "y.safetensors", content);
  const std::string whole = read_text(folder_ / "y.safetensors");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_NE(refusal(whole.substr(0, length)), "") << length;
  }
}

TEST_F(SafeTensorsTest, WhatCannotBeWritten) {
  const auto write = [&](const std::string& name, const TensorData& tensor) {
    SafeTensors content;
    content.tensors[name] = tensor;
    write_safetensors(folder_ / "y.safetensors", content);
  };
  EXPECT_THROW(write("a", {"F32", {2}, std::vector<std::byte>(4)}), ShapeError);
  EXPECT_THROW(write("a", {"F33", {1}, std::vector<std::byte>(4)}), ShapeError);
  EXPECT_THROW(write("a", {"U8", {-1}, {}}), ShapeError);
  EXPECT_THROW(write("__metadata__", {"U8", {}, std::vector<std::byte>(1)}), UsageError);
  EXPECT_THROW(write("\xff", {"U8", {}, std::vector<std::byte>(1)}), DataError);
  EXPECT_THROW(write_safetensors(folder_ / "no/folder", {}), IoError);
  EXPECT_THROW(TensorData::from_floats({2}, std::vector<float>{1}), ShapeError);
  EXPECT_EQ(folder_.entries(), 0U);
}

TEST_F(SafeTensorsTest, WrongTypeOrName) {
  SafeTensors content;
  content.tensors["weight"] = TensorData::from_floats({1}, std::vector<float>{1});
  EXPECT_THROW(content.tensor("weight").doubles(), DataError);
  EXPECT_THROW(content.tensor("weight").ints(), DataError);
  EXPECT_THAT(error_of<DataError>([&] { content.tensor("weigth"); }), HasSubstr("nearest is 'weight'"));
  EXPECT_THAT(error_of<DataError>([&] { content.text("model"); }), HasSubstr("none at all"));
  EXPECT_THROW(read_safetensors(folder_ / "absent.safetensors"), IoError);
}

// What Python's safetensors writes is read, and the other way round.
TEST_F(SafeTensorsTest, InteropWithPython) {
  if (std::system("python3 -c 'import safetensors.numpy' > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "python3 has no module safetensors (with numpy)";
  }
  SafeTensors content;
  content.tensors["f"] = TensorData::from_floats({2, 3}, std::vector<float>{0, 1, 2, 3, 4, 5.5F});
  content.tensors["i"] = TensorData::from_ints({}, std::vector<std::int64_t>{-7});
  content.metadata["k"] = "v";
  write_safetensors(folder_ / "ours.safetensors", content);
  write_text(folder_ / "check.py", R"(import sys, numpy
from safetensors.numpy import load_file, save_file
from safetensors import safe_open
folder = sys.argv[1]
ours = load_file(folder + "/ours.safetensors")
assert set(ours) == {"f", "i"}, ours
assert ours["f"].dtype == numpy.float32 and ours["f"].tolist() == [[0, 1, 2], [3, 4, 5.5]], ours
assert ours["i"].shape == () and ours["i"] == -7, ours
assert safe_open(folder + "/ours.safetensors", "numpy").metadata() == {"k": "v"}
save_file({"x": numpy.arange(6.0).reshape(3, 2), "b": numpy.array([True, False, True]), "e": numpy.zeros((0, 2), "f4")},
          folder + "/theirs.safetensors", {"who": "python"})
)");
  const std::string command = "python3 '" + (folder_ / "check.py").string() + "' '" + folder_.path().string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const SafeTensors theirs = read_safetensors(folder_ / "theirs.safetensors");
  EXPECT_EQ(theirs.text("who"), "python");
  EXPECT_EQ(theirs.tensor("x").doubles(), (std::vector<double>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(theirs.tensor("x").shape, (std::vector<std::int64_t>{3, 2}));
  EXPECT_EQ(theirs.tensor("b").bytes, (std::vector{std::byte{1}, std::byte{0}, std::byte{1}}));
  EXPECT_EQ(theirs.tensor("e").shape, (std::vector<std::int64_t>{0, 2}));
}

}  // namespace
}  // namespace noema
