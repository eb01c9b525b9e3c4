"""The shared libraries: the names that they export, what they need, and that the two are of one version."""
import ctypes
import difflib
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

CORE = os.environ["GROMATIC_LIBRARY"]
TOOLS = os.path.join(os.path.dirname(CORE), "libgromatic_tools.so")
DATA = os.environ["GM_TEST_DATA"]
SOURCE = os.path.join(DATA, "..", "..")
LIBRARIES = (("gromatic", CORE), ("gromatic_tools", TOOLS))
HEADERS = {"gromatic": ["gromatic.h"], "gromatic_tools": ["gromatic_tools.h", "gromatic_train.h"]}


def exported(library):
    """{name: version node} of all functions and data."""
    names = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", library], check=True,
                           capture_output=True, text=True).stdout.split("\n")
    found = [line.split() for line in names if line]
    return dict(line[2].split("@@") for line in found if line[1] != "A")


def public(library):
    return sorted(name for name, node in exported(library).items() if node == "GROMATIC_1.0")


class Libraries(unittest.TestCase):
    def test_exported_names_are_those_of_the_committed_lists(self):
        """All names of this version's list; none of an older version's is missing."""
        current = "abi-" + ".".join(self.version().split(".")[:2])
        folders = glob.glob(os.path.join(DATA, "abi-*"))
        self.assertIn(current, [os.path.basename(folder) for folder in folders])
        for name, library in LIBRARIES:
            found = public(library)
            for folder in folders:
                with open(os.path.join(folder, name + ".symbols"), encoding="utf-8") as file:
                    wanted = file.read().split()
                if os.path.basename(folder) != current:
                    wanted = sorted(set(wanted) | set(found))
                difference = "\n".join(difflib.unified_diff(wanted, found, folder, library, lineterm=""))
                self.assertEqual(difference, "", "\n" + difference + "\nif this is meant: scripts/freeze-abi.sh")

    def test_exported_names_are_those_of_the_headers(self):
        for name, library in LIBRARIES:
            declared = []
            for header in HEADERS[name]:
                with open(os.path.join(SOURCE, "include", header), encoding="utf-8") as file:
                    declared += re.findall(r"^GM_API [^(;]*?\b(gm_\w+)\(", file.read(), re.MULTILINE)
            self.assertEqual(public(library), sorted(declared))

    def test_nothing_else_is_exported(self):
        core = exported(CORE)
        self.assertEqual({node for node in core.values()}, {"GROMATIC_1.0", "GROMATIC_PRIVATE_" + self.version()})
        self.assertEqual([name for name in core if not name.startswith("gm_")], [])
        self.assertEqual(set(exported(TOOLS).values()), {"GROMATIC_1.0"})

    def test_the_core_needs_nothing_to_draw_with(self):
        found = subprocess.run(["ldd", CORE], check=True, capture_output=True, text=True).stdout
        self.assertIn("libjansson", found)
        for name in ("cairo", "harfbuzz", "fribidi", "fontconfig", "freetype"):
            self.assertNotIn(name, found)

    def test_names_of_the_files(self):
        for name, library in LIBRARIES:
            found = subprocess.run(["readelf", "-d", library], check=True, capture_output=True, text=True).stdout
            self.assertRegex(found, rf"SONAME.*\[lib{name}\.so\.1\]")

    def version(self):
        library = ctypes.CDLL(CORE)
        library.gm_version.restype = ctypes.c_char_p
        return library.gm_version().decode()

    def test_versions(self):
        library = ctypes.CDLL(CORE)
        library.gm_abi_version.restype = ctypes.c_uint32
        major, minor, _ = map(int, self.version().split("."))
        self.assertEqual(library.gm_abi_version(), major << 16 | minor)

    def test_tools_of_another_version_do_not_load(self):
        own = ("GROMATIC_PRIVATE_" + self.version()).encode()
        other = own.replace(b"PRIVATE_1", b"PRIVATE_9")
        self.assertEqual(len(own), len(other))
        with tempfile.TemporaryDirectory() as folder:
            with open(CORE, "rb") as file:
                core = file.read()
            self.assertIn(own + b"\0", core)
            with open(os.path.join(folder, "libgromatic.so.1"), "wb") as file:
                file.write(core.replace(own + b"\0", other + b"\0"))
            tools = shutil.copy(TOOLS, folder)
            load = subprocess.run([sys.executable, "-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1])", tools],
                                  env=dict(os.environ, LD_LIBRARY_PATH=folder), capture_output=True, text=True,
                                  check=False)
            self.assertNotEqual(load.returncode, 0)
            self.assertIn(f"version `{own.decode()}' not found", load.stderr)


if __name__ == "__main__":
    unittest.main()
