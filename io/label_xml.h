// io/label_xml: the table of labels that GIFTI and CIFTI share.
#pragma once

#include <vector>

#include "noema/io/cifti.h"
#include "noema/io/xml.h"

namespace noema {

/// The labels of an element `LabelTable`, by ascending key; a colour that is not given is white.
/// @throws FormatError for keys that are no whole numbers or occur twice
std::vector<CiftiLabel> parse_labels(const XmlText& xml, pugi::xml_node table);

/// Appends a `LabelTable`.
void add_label_table(pugi::xml_node parent, const std::vector<CiftiLabel>& labels);

}  // namespace noema
