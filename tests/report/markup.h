// tests/report/markup: what every picture and page must keep to.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace noema {

/// The first fault of nesting: a tag that closes what is not open, or is never closed; empty when there is none.
inline std::string nesting_fault(std::string_view markup) {
  std::vector<std::string> open;
  for (std::size_t at = markup.find('<'); at != std::string_view::npos; at = markup.find('<', at + 1)) {
    if (markup.compare(at, 2, "<!") == 0) continue;
    const std::size_t end = markup.find('>', at);
    if (end == std::string_view::npos) return "a tag without an end";
    const std::string_view inner = markup.substr(at + 1, end - at - 1);
    if (inner.find('<') != std::string_view::npos) return "a tag inside a tag: " + std::string(inner.substr(0, 60));
    if (inner.back() == '/') continue;
    const bool closes = inner.front() == '/';
    const std::string name(inner.substr(closes ? 1 : 0, inner.find_first_of(" \n") - (closes ? 1 : 0)));
    if (!closes) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return "</" + name + "> closes " + (open.empty() ? "nothing" : "<" + open.back() + ">");
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? std::string() : "<" + open.back() + "> is never closed";
}

/// Attribute values are quoted, names lower case, and nothing refers outside but links to DOIs.
inline void expect_sound(const std::string& markup) {
  EXPECT_EQ(nesting_fault(markup), "");
  EXPECT_EQ(markup.find("<script"), std::string::npos);
  EXPECT_EQ(markup.find("src="), std::string::npos);
  EXPECT_EQ(markup.find("url("), std::string::npos);
  EXPECT_EQ(markup.find("@import"), std::string::npos);
  for (std::size_t at = markup.find("http"); at != std::string::npos; at = markup.find("http", at + 1))
    EXPECT_EQ(markup.substr(at, 16), "https://doi.org/") << markup.substr(at, 60);
  for (std::size_t at = markup.find("href=\""); at != std::string::npos; at = markup.find("href=\"", at + 1)) {
    const std::string target = markup.substr(at + 6, 16);
    EXPECT_TRUE(target.starts_with("#") || target.starts_with("data:image/png;") ||
                target.starts_with("https://doi.org/"))
        << target;
  }
  for (const char* missing : {">nan", "\"nan", " nan ", "inf\""})
    EXPECT_EQ(markup.find(missing), std::string::npos) << missing;
}

/// How often `part` occurs.
inline int occurrences(std::string_view text, std::string_view part) {
  int count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

}  // namespace noema
