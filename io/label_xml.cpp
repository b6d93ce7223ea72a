#include "noema/io/label_xml.h"

#include <fmt/format.h>

#include <limits>
#include <map>

namespace noema {
namespace {

constexpr const char* kChannels[] = {"Red", "Green", "Blue", "Alpha"};

}  // namespace

std::vector<CiftiLabel> parse_labels(const XmlText& xml, pugi::xml_node table) {
  using Key = std::numeric_limits<std::int32_t>;
  std::map<std::int32_t, CiftiLabel> by_key;
  for (const pugi::xml_node node : table.children("Label")) {
    CiftiLabel label;
    const char* name = node.attribute("Key") ? "Key" : "Index";  // as old GIFTI files call it
    label.key = static_cast<std::int32_t>(xml.integer(node, name, Key::min(), Key::max()));
    for (std::size_t c = 0; c < 4; ++c) {
      if (node.attribute(kChannels[c])) label.rgba[c] = static_cast<float>(xml.number(node, kChannels[c]));
    }
    label.name = node.child_value();
    if (!by_key.emplace(label.key, label).second) xml.refuse(node, fmt::format("the key {} is there twice", label.key));
  }
  std::vector<CiftiLabel> labels;
  for (auto& [key, label] : by_key) labels.push_back(std::move(label));
  return labels;
}

void add_label_table(pugi::xml_node parent, const std::vector<CiftiLabel>& labels) {
  pugi::xml_node table = add_element(parent, "LabelTable");
  for (const CiftiLabel& label : labels) {
    pugi::xml_node node = add_element(table, "Label", label.name);
    set_attribute(node, "Key", std::int64_t{label.key});
    for (std::size_t c = 0; c < 4; ++c) {
      set_attribute(node, kChannels[c], std::string_view(fmt::to_string(label.rgba[c])));
    }
  }
}

}  // namespace noema
