// io/cifti_parcels: the parcels of CIFTI files as features, and values of them as files.
#pragma once

#include <span>
#include <string>

#include "noema/io/cifti.h"

namespace noema {

/// The parcels of a file (ptseries, pscalar) as features of all grayordinates that they hold; `atlas_hash` is of their
/// names and members. @throws ShapeError for a kind without parcels
FeatureSpace parcel_features(const CiftiHeader& header);

/// Are the features parcels that hold all grayordinates of their grid, as those of a ptseries do?
bool are_whole_parcels(const FeatureSpace& features);

/// The parcels of features as CIFTI lists them.
std::vector<CiftiParcel> cifti_parcels(const FeatureSpace& features);

/// One value for each of parcels that hold all grayordinates, as a pscalar of one map. @throws ShapeError for other
/// features or another number of values
Cifti cifti_of_parcels(const FeatureSpace& features, std::span<const float> values, const std::string& name);

/// All grayordinates of a file.
Mask all_grayordinates(const CiftiHeader& header);

}  // namespace noema
