// CIFTI-2 files built byte by byte, without the library under test.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace noema {

/// Parts of the XML of a small brain: three of five vertices of the left cortex, two voxels of a thalamus.
inline const std::string kSeriesMap =
    R"(<MatrixIndicesMap AppliesToMatrixDimension="0" IndicesMapToDataType="CIFTI_INDEX_TYPE_SERIES" )"
    R"(NumberOfSeriesPoints="4" SeriesExponent="-3" SeriesStart="0" SeriesStep="720" SeriesUnit="SECOND"/>)";
inline const std::string kLabelsMap =
    R"(<MatrixIndicesMap AppliesToMatrixDimension="0" IndicesMapToDataType="CIFTI_INDEX_TYPE_LABELS"><NamedMap>)"
    R"(<MapName>regions</MapName><LabelTable>)"
    R"(<Label Key="7" Red="0" Green="1" Blue="0" Alpha="1">B &amp; C</Label>)"
    R"(<Label Key="0" Red="0" Green="0" Blue="0" Alpha="0">???</Label>)"
    R"(<Label Key="3" Red="1" Green="0" Blue="0.5" Alpha="1">A</Label></LabelTable></NamedMap></MatrixIndicesMap>)";
inline const std::string kVolume =
    R"(<Volume VolumeDimensions="4,5,6"><TransformationMatrixVoxelIndicesIJKtoXYZ MeterExponent="-3">)"
    "-2 0 0 90\n0 2 0 -126\n0 0 2 -72\n0 0 0 1</TransformationMatrixVoxelIndicesIJKtoXYZ></Volume>";
inline const std::string kCortexModel =
    R"(<BrainModel IndexOffset="0" IndexCount="3" ModelType="CIFTI_MODEL_TYPE_SURFACE" )"
    R"(BrainStructure="CIFTI_STRUCTURE_CORTEX_LEFT" SurfaceNumberOfVertices="5"><VertexIndices>0 2 4</VertexIndices>)"
    R"(</BrainModel>)";
inline const std::string kThalamusModel =
    R"(<BrainModel IndexOffset="3" IndexCount="2" ModelType="CIFTI_MODEL_TYPE_VOXELS" )"
    R"(BrainStructure="CIFTI_STRUCTURE_THALAMUS_LEFT"><VoxelIndicesIJK>1 2 3
3 4 5</VoxelIndicesIJK></BrainModel>)";
inline const std::string kModelsMap =
    R"(<MatrixIndicesMap AppliesToMatrixDimension="1" IndicesMapToDataType="CIFTI_INDEX_TYPE_BRAIN_MODELS">)" +
    kVolume + kCortexModel + kThalamusModel + "</MatrixIndicesMap>";
inline const std::string kParcelsMap =
    R"(<MatrixIndicesMap AppliesToMatrixDimension="1" IndicesMapToDataType="CIFTI_INDEX_TYPE_PARCELS">)" + kVolume +
    R"(<Surface BrainStructure="CIFTI_STRUCTURE_CORTEX_LEFT" SurfaceNumberOfVertices="5"/>)"
    R"(<Parcel Name="late"><Vertices BrainStructure="CIFTI_STRUCTURE_CORTEX_LEFT">4 1</Vertices></Parcel>)"
    R"(<Parcel Name="mixed"><VoxelIndicesIJK>3 4 5</VoxelIndicesIJK>)"
    R"(<Vertices BrainStructure="CIFTI_STRUCTURE_CORTEX_LEFT">2</Vertices></Parcel></MatrixIndicesMap>)";

std::string cifti_xml(const std::string& maps);

struct CiftiParts {
  std::string xml;
  std::int64_t points = 0;
  std::int64_t places = 0;
  int intent = 3002;
  /// Point fastest: value(point, place) is values[point + points · place].
  std::vector<float> values;
  bool big_endian = false;
  int extension = 32;
};

std::string cifti_bytes(const CiftiParts& parts);

/// Four points (TR 0.72 s) of five grayordinates; value(t, g) = 10·g + t.
CiftiParts small_dtseries();

}  // namespace noema
