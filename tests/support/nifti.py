"""Reads the images that the command writes, and writes atlases, apart from the code under test."""
import array
import gzip
import struct


def volumes_of(path):
    """Shape and volumes of an image of float32 or uint8."""
    data = gzip.decompress(path.read_bytes())
    size = struct.unpack_from("<8h", data, 40)
    kind = {16: ("f", 4), 2: ("B", 1)}[struct.unpack_from("<h", data, 70)[0]]
    start, voxels = int(struct.unpack_from("<f", data, 108)[0]), size[1] * size[2] * size[3]
    count = size[4] if size[0] > 3 else 1
    values = array.array(kind[0], data[start:start + voxels * count * kind[1]])
    return size[1:4], [list(values[v * voxels:(v + 1) * voxels]) for v in range(count)]


def labelled(brain, path, label_of):
    """An image like the mask `brain`, of the labels that label_of(x, y, z, inside) gives, as uint8."""
    data = bytearray(gzip.decompress(brain.read_bytes()))
    assert struct.unpack_from("<h", data, 70)[0] == 2, "the mask is not uint8"
    x_size, y_size, z_size = struct.unpack_from("<3h", data, 42)
    start = int(struct.unpack_from("<f", data, 108)[0])
    for voxel in range(x_size * y_size * z_size):
        x, y, z = voxel % x_size, voxel // x_size % y_size, voxel // (x_size * y_size)
        data[start + voxel] = label_of(x, y, z, data[start + voxel] != 0)
    path.write_bytes(gzip.compress(bytes(data)))
