// pipelines/region_places: where the regions of a feature space lie.
#pragma once

#include <vector>

#include "noema/io/connectome_file.h"
#include "noema/io/gifti.h"
#include "noema/io/series.h"

namespace noema {

/// Name, centre and size of each feature. The centre of a parcel is the mean of its voxels' places, of a map that
/// weighted by what is positive; a voxel is its own. Vertices have a place on the mesh of their hemisphere; regions
/// without any place get NaN.
std::vector<ConnectomeRegion> region_places(const FeatureSpace& features, const std::vector<SurfaceMesh>& meshes = {});

}  // namespace noema
