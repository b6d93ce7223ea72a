#include "noema/core/base64.h"

#include <gtest/gtest.h>

namespace noema {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// The examples of RFC 4648, section 10.
TEST(Base64, KnownTexts) {
  const std::pair<std::string_view, std::string_view> pairs[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : pairs) {
    EXPECT_EQ(to_base64(bytes_of(plain)), text);
    const auto back = from_base64(text);
    ASSERT_TRUE(back.has_value()) << text;
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(back->data()), back->size()), plain);
  }
  EXPECT_EQ(from_base64(" Zm\n9v\r\n")->size(), 3U);
}

TEST(Base64, AllBytesComeBack) {
  std::vector<std::byte> bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<std::byte>(i));
  EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
}

TEST(Base64, RefusesWhatIsNone) {
  for (const char* text : {"Zg=", "Zg", "Z", "Z===", "Zm9v!a==", "Zg==Zg==", "====", "Z-8="}) {
    EXPECT_FALSE(from_base64(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace noema
