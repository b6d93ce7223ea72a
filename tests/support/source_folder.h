// tests/support/source_folder: the root of the checkout.
#pragma once

#include <string>

namespace noema {

std::string source_folder();

}  // namespace noema
