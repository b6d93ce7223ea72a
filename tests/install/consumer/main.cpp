// A user's program: writes an image, reads it back, and compares two maps.
#include <cstdio>
#include <vector>

#include "noema/interpret/agreement.h"
#include "noema/io/nifti.h"
#include "noema/learn/scores.h"

int main() {
  noema::Image image;
  image.header.grid.shape = {3, 4, 5};
  for (int v = 0; v < 60; ++v) image.values.push_back(static_cast<float>(v));
  noema::write_image("map.nii.gz", image);
  const noema::Image back = noema::read_image("map.nii.gz");
  const std::vector<double> a(image.values.begin(), image.values.end()), b(back.values.begin(), back.values.end());
  const double r = noema::compare_maps(a, b, noema::MapPart::signed_values).pearson;
  std::printf("%.6f\n", r);
  return r > 0.999999 ? 0 : 1;
}
