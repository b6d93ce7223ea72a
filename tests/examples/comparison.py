"""Runs an example program and reads the rows of figures that it prints."""
import os
import re
import subprocess
import tempfile
import xml.etree.ElementTree
from pathlib import Path


def compare(name):
    """{title: {method: [figure of each data set]}}."""
    program = Path(os.environ["NOEMA_BIN"]).parent / "examples" / name
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([program, folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(done.stdout, end="", flush=True)
        assert done.returncode == 0, f"{name} ended with status {done.returncode}"
        figure = xml.etree.ElementTree.parse(Path(folder) / f"{name}.svg").getroot()
        assert figure.tag.endswith("svg") and len(list(figure.iter())) > 20, "the figure is empty"
    tables, title = {}, ""
    for line in done.stdout.splitlines():
        row = re.fullmatch(r"  (.*?)\s+((?:-?\d+\.\d{4} )+) mean -?\d+\.\d{4}", line)
        if row:
            tables.setdefault(title, {})[row[1]] = [float(x) for x in row[2].split()]
        else:
            title = line
    return tables


def mean(values):
    return sum(values) / len(values)
