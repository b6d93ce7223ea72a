"""The order of the rooms holds: a source includes only its own room and those above it, and each outside library is
met only where it belongs."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = re.search(r"set\(NOEMA_ROOMS ([^)]*)\)", (ROOT / "CMakeLists.txt").read_text()).group(1).split()
SOURCES = (".h", ".cpp", ".cu", ".cuh")
TORCH_FREE = ROOMS[: ROOMS.index("learn")]
# Which rooms may include what; kernels' torch binding is the one exception below the line.
LIBRARIES = {
    r"(ATen|torch|c10)/": [room for room in ROOMS if room not in TORCH_FREE] + ["kernels"],
    r"(nifti/)?nifti[12]": ["io"],
    r"hdf5|H5": ["io", "cli"],  # the command `doctor` prints the version
    r"isa-l|igzip": ["io"],
    r"itk": ["preprocess", "cli"],
    r"Spectra/": ["connectomics"],
    r"CLI/": ["core"],
}


def problems_of(room, path):
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{path.relative_to(ROOT)}:{number}"
        include = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
        if include:
            name = include.group(1)
            own = re.match(r"noema/([a-z_]+)/", name)
            if own and ROOMS.index(own.group(1)) > ROOMS.index(room):
                yield f"{where}: {room}/ includes {name}, a room below it"
            if name.startswith("../"):
                yield f"{where}: include as \"noema/room/file.h\", not {name}"
            for pattern, rooms in LIBRARIES.items():
                if re.match(pattern, name) and room not in rooms:
                    yield f"{where}: {room}/ includes {name}; only {', '.join(rooms)} may"
            if name == "torch/torch.h":
                yield f"{where}: torch/torch.h is too wide; include what is used"
            if path.suffix == ".h" and re.match(r"(fmt|spdlog)/|nlohmann/json\.hpp|ATen/ATen\.h", name):
                yield f"{where}: {name} does not belong in a header"
        if room != "cli" and re.search(r"\bstd::(cout|cerr|exit|abort)\b|\bprintf\(", line.split("//")[0]):
            yield f"{where}: the library does not print or exit"


def main():
    problems = []
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*")) if (ROOT / room).is_dir() else []:
            if path.suffix in SOURCES:
                problems.extend(problems_of(room, path))
    print("\n".join(problems))
    return 1 if problems else 0


sys.exit(main())
