"""scripts/includes.py: the includes of src/ only point down, and its messages for a tree where they do not."""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SCRIPT = os.path.join(ROOT, "scripts", "includes.py")


class Includes(unittest.TestCase):
    def check(self, *arguments):
        done = subprocess.run([sys.executable, SCRIPT, *arguments], stdout=subprocess.PIPE, text=True)
        return done.returncode, done.stdout

    def check_tree(self, files):
        with tempfile.TemporaryDirectory() as src:
            files = {"CMakeLists.txt": "set(gromatic_dirs low\n  high)\n", "low/a.h": "", "high/b.h": "", **files}
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(src, path)), exist_ok=True)
                with open(os.path.join(src, path), "w") as file:
                    file.write(text)
            return self.check(src)

    def test_our_own_tree(self):
        self.assertEqual(self.check(), (0, "all includes point down\n"))

    def test_down_and_sideways_is_allowed(self):
        code, text = self.check_tree({
            "high/b.c": '#include "b.h"\n#include "a.h"\n#include <stdio.h>\n#include "gromatic.h"\n',
            "low/deep/c.c": '#include "a.h"\n', "other/d.c": '#include "b.h"\n'})
        self.assertEqual((code, text), (0, "all includes point down\n"))

    def test_up_is_a_breach(self):
        for includer in ("low/c.c", "low/c.h", "low/deep/c.c"):
            code, text = self.check_tree({includer: '  #  include "b.h"\n'})
            self.assertEqual((code, text), (1, f"{includer} includes high/b.h, which stands above it\n"))

    def test_nothing_includes_what_is_outside_the_list(self):
        code, text = self.check_tree({"other/d.h": "", "high/b.c": '#include "d.h"\n'})
        self.assertEqual((code, text), (1, "high/b.c includes other/d.h, which stands above it\n"))

    def test_a_circle_is_a_breach(self):
        code, text = self.check_tree({"low/a.h": '#include "c.h"\n', "low/c.h": '#include "d.h"\n',
                                      "low/d.h": '#include "c.h"\n'})
        self.assertEqual((code, text), (1, "headers in a circle: low/c.h -> low/d.h -> low/c.h\n"))
        code, text = self.check_tree({"low/a.h": '#include "a.h"\n'})
        self.assertEqual((code, text), (1, "headers in a circle: low/a.h -> low/a.h\n"))

    def test_two_headers_of_one_name(self):
        code, text = self.check_tree({"high/a.h": ""})
        self.assertEqual((code, text), (1, "low/a.h: high/a.h has the same name\n"))

    def test_the_list_must_be_found(self):
        code, text = self.check_tree({"CMakeLists.txt": "set(dirs low)\n"})
        self.assertEqual(code, 1)
        self.assertIn("found no list gromatic_dirs", text)
        code, text = self.check_tree({"CMakeLists.txt": "set(gromatic_dirs low high gone)\n"})
        self.assertEqual((code, text), (1, "gone: in gromatic_dirs, but there is no such folder\n"))


if __name__ == "__main__":
    unittest.main()
