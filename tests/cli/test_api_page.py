"""The programs of docs/API.md compile, and print what the page says."""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

from program import DATA

ROOT = os.path.join(DATA, "..", "..")
LIBRARIES = os.path.dirname(os.environ["GROMATIC_LIBRARY"])
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
# The folder in which the page's commands find their picture.
FOLDERS = {"caption": "world/scenes/images", "classify": "world/classify", "stream": "world/scenes/images"}


def page():
    with open(os.path.join(ROOT, "docs", "API.md")) as file:
        return file.read()


def programs():
    """Name -> (source, command, output), from the page."""
    text, found = page(), {}
    for name, source in re.findall(r"^<!-- (\w+)\.c -->\n```c\n(.*?)^```$", text, re.M | re.S):
        command, = re.findall(rf"^`\./({name} [^`]*)`", text, re.M)
        output, = re.findall(rf"^<!-- output of {name}\.c -->\n```\n(.*?)^```$", text, re.M | re.S)
        found[name] = source, command, output
    return found


def build(compiler, folder, name, source, *flags):
    """Compiles and links source in the folder, against the libraries under test; returns the program."""
    path, program = os.path.join(folder, name + ".c"), os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(source)
    command = [compiler, *FLAGS, "-I", os.path.join(ROOT, "include"), "-o", program, path, "-L", LIBRARIES,
               f"-Wl,-rpath,{LIBRARIES}", "-lgromatic", *flags]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return program


class Page(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def test_programs_print_what_the_page_says(self):
        found = programs()
        self.assertEqual(sorted(found), sorted(FOLDERS))
        for name, (source, command, output) in found.items():
            program = build(COMPILER, self.folder.name, name, source)
            done = subprocess.run([program, *shlex.split(command)[1:]], capture_output=True,
                                  cwd=os.path.join(DATA, FOLDERS[name]))
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertEqual(done.stdout.decode(), output)

    def test_failures_are_said(self):
        for name, (source, command, _) in programs().items():
            program = build(COMPILER, self.folder.name, name, source)
            done = subprocess.run([program, "no/such/picture", *shlex.split(command)[2:]], capture_output=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"file_not_found: no/such/picture", done.stderr)

    def test_snippets_compile(self):
        """The pieces between the programs, each in its own function, which has the names they use."""
        pieces = re.findall(r"(?:^(?: {4,10}.*)?\n)+", re.sub(r"^```c\n.*?^```$", "", page(), flags=re.M | re.S), re.M)
        pieces = [p for p in pieces if re.search(r"\bgm_\w+", p)]
        self.assertGreaterEqual(len(pieces), 5)
        head = "#include <gromatic_tools.h>\n#include <stdio.h>\n"
        arguments = "gm_image *image, gm_scene *scene, gm_error err, gm_region region"
        functions = ""
        for i, piece in enumerate(pieces):
            given = arguments.replace(", gm_region region", "") if "gm_region region =" in piece else arguments
            functions += f"void piece_{i}({given});\nvoid piece_{i}({given}) {{\n{piece}}}\n"
        unused = [f"-Wno-unused-{what}" for what in ("parameter", "variable", "but-set-variable")]
        build(COMPILER, self.folder.name, "pieces", head + functions + "int main(void) { return 0; }\n", *unused,
              "-lgromatic_tools")


COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

if __name__ == "__main__":
    if not COMPILER:
        print("no C compiler is installed")
        sys.exit(77)
    unittest.main()
