// io/cifti_xml: the XML of CIFTI-2 to a header and back.
#pragma once

#include <string>
#include <string_view>

#include "noema/io/cifti.h"

namespace noema {

/// Fills all but `path` and `storage` (`path` is for messages). @throws FormatError
void parse_cifti_xml(std::string_view text, CiftiHeader& header);

std::string format_cifti_xml(const CiftiHeader& header);

/// NIfTI's intent code and name for a kind.
struct CiftiIntent {
  int code;
  const char* name;
};
CiftiIntent cifti_intent(CiftiKind kind);

}  // namespace noema
