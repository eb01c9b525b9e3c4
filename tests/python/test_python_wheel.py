"""The wheel as a user has it: made, installed in a new environment, used from another folder, on other libraries than
the system's. Its notebook runs, and so do the programs of docs/PYTHON.md."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

ROOT = os.path.realpath(os.path.join(os.environ["GM_TEST_DATA"], "..", ".."))
SCENES = os.path.join(ROOT, "tests", "data", "world", "scenes", "images")


def run(*command, **options):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GROMATIC", "PYTHON"))}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env, **options).stdout


class Wheel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        subprocess.run(["sh", os.path.join(ROOT, "scripts", "wheel.sh")], check=True, stdout=subprocess.DEVNULL)
        cls.wheel, = glob.glob(os.path.join(ROOT, "build", "wheel", "gromatic-*-manylinux_2_36_*.whl"))
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run(sys.executable, "-m", "venv", os.path.join(cls.folder, "venv"))
        cls.python = os.path.join(cls.folder, "venv", "bin", "python")
        run(cls.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", cls.wheel, "-r",
            os.path.join(ROOT, "tests", "python", "requirements-notebook.txt"))

    def test_only_what_is_of_glibc_and_gcc_is_the_systems(self):
        code = ("import gromatic\nfrom gromatic import _native\n_native.tools()\n"
                "for line in open('/proc/self/maps'):\n    print(line.split()[-1])")
        mapped = set(run(self.python, "-c", code, cwd=self.folder).split())
        libraries = {path for path in mapped if ".so" in path}
        self.assertTrue(any("/site-packages/gromatic/lib/libgromatic.so" in path for path in libraries))
        # auditwheel puts a hash into the names of those that it bundles.
        for name in "libjpeg-", "libcairo-", "libX11-", "libglib-2-", "libz-":
            found = [path for path in libraries if os.path.basename(path).startswith(name)]
            self.assertTrue(any("gromatic.libs" in path for path in found), (name, sorted(libraries)))

    def test_licences_are_inside(self):
        names = zipfile.ZipFile(self.wheel).namelist()
        for name in "LICENSE", "NOTICE", "libcairo2", "libglib2.0-0", "libjpeg62-turbo":
            self.assertTrue(any(re.search(rf"dist-info/.*\b{re.escape(name)}$", path) for path in names), name)
        self.assertTrue(any(path.endswith("gromatic/py.typed") for path in names))

    def test_the_program(self):
        picture = os.path.join(SCENES, "064.jpg")
        want = run(os.environ["GROMATIC"], "caption", picture, "--json", "-q")
        for command in ([self.python, "-m", "gromatic"],
                        [os.path.join(os.path.dirname(self.python), "gromatic")]):
            self.assertEqual(run(*command, "caption", picture, "--json", "-q", cwd=self.folder), want)

    def test_examples_of_the_docstrings(self):
        code = ("import doctest, sys, gromatic\n"
                "done = [doctest.testmod(m) for n, m in sorted(sys.modules.items()) if n.startswith('gromatic.')]\n"
                "print(sum(d.attempted for d in done), sum(d.failed for d in done))")
        attempted, failed = run(self.python, "-c", code, cwd=self.folder).split()
        self.assertGreater(int(attempted), 5)
        self.assertEqual(failed, "0")

    def test_programs_of_the_page(self):
        with open(os.path.join(ROOT, "docs", "PYTHON.md"), encoding="utf-8") as file:
            page = file.read()
        programs = re.findall(r"^```python\n(.*?)^```\n(?:\nprints\n\n```\n(.*?)^```\n)?", page, re.M | re.S)
        self.assertGreater(len(programs), 4)
        for program, output in programs:
            with self.subTest(program=program):
                found = run(self.python, "-W", "error", "-c", program, cwd=SCENES)
                if output:
                    self.assertEqual(found, output)

    def test_the_notebook(self):
        code = ("import nbformat, nbclient, sys\n"
                "book = nbformat.read(sys.argv[1], 4)\n"
                "nbclient.NotebookClient(book, timeout=300, resources={'metadata': {'path': sys.argv[2]}}).execute()\n"
                "print(sum('text/html' in o.get('data', {}) for c in book.cells for o in c.get('outputs', [])))")
        shown = run(self.python, "-c", code, os.path.join(ROOT, "docs", "python.ipynb"), SCENES)
        self.assertGreaterEqual(int(shown), 3)

    def test_a_source_tree_is_not_compiled_in_silence(self):
        with self.assertRaises(subprocess.CalledProcessError) as caught:
            run(os.path.join(ROOT, ".venv-wheel", "bin", "pip"), "wheel", "--no-deps", "--no-build-isolation", "-w",
                self.folder, os.path.join(ROOT, "python"))
        self.assertIn("compiles nothing", caught.exception.stderr + caught.exception.stdout)


if __name__ == "__main__":
    unittest.main()
