// io/xml: XML that neuroimaging formats keep their facts in, read with messages that name the file and the element.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <pugixml.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace noema {

/// A parsed XML text. Document types are skipped, so nothing is expanded or fetched.
class XmlText {
 public:
  /// @param what  what the text is, for messages: "the XML of CIFTI".
  /// @throws FormatError for text that is no XML (or cut off), or whose root is not named `root`
  XmlText(std::filesystem::path path, std::string_view what, std::string_view root, std::string_view text);

  pugi::xml_node root() const { return document_.document_element(); }
  /// The only element of this name. @throws FormatError when there is none or several
  pugi::xml_node only(pugi::xml_node parent, const char* name) const;
  /// An attribute that must be there. @throws FormatError
  std::string text(pugi::xml_node node, const char* attribute) const;
  /// @throws FormatError unless it is a whole number from `least` to `most`
  std::int64_t integer(pugi::xml_node node, const char* attribute, std::int64_t least, std::int64_t most) const;
  /// @throws FormatError unless it is a finite number
  double number(pugi::xml_node node, const char* attribute) const;
  /// The numbers of an element's text, between blanks, commas or line ends. @throws FormatError
  std::vector<std::int32_t> integers(pugi::xml_node node) const;
  std::vector<double> numbers(pugi::xml_node node) const;
  /// A list of three positive lengths whose product fits an index, such as "91,109,91". @throws FormatError
  std::array<std::int64_t, 3> lengths(pugi::xml_node node, const char* attribute) const;

  /// "found …, expected …" about an element: gives its name and place among its kind. @throws FormatError
  [[noreturn]] void refuse(pugi::xml_node node, std::string_view fault) const;

 private:
  std::filesystem::path path_;
  std::string what_;
  pugi::xml_document document_;
};

/// Appends "name" with its text to a node, and returns it.
pugi::xml_node add_element(pugi::xml_node parent, const char* name, const std::string& text = {});

/// Numbers are written so that they come back the same.
void set_attribute(pugi::xml_node node, const char* attribute, std::string_view value);
void set_attribute(pugi::xml_node node, const char* attribute, std::int64_t value);
void set_attribute(pugi::xml_node node, const char* attribute, double value);

/// The text of a document without declaration (`declare` false) and without indentation.
std::string to_text(const pugi::xml_document& document, bool declare);

}  // namespace noema
