"""python/gromatic/_abi.py is what the headers say: made from them, and confirmed by a C compiler."""
import ctypes
import importlib.util
import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.join(os.environ["GM_TEST_DATA"], "..", "..")
ABI = os.path.join(ROOT, "python", "gromatic", "_abi.py")
COMPILER = os.environ.get("CC") or "cc"


def module(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


abi = module(ABI, "_abi")
maker = module(os.path.join(ROOT, "scripts", "python-abi.py"), "python_abi")


def structs():
    return {name: kind for name, kind in vars(abi).items()
            if name.startswith("gm_") and issubclass(kind, ctypes.Structure)}


def compiled(folder, lines):
    """What a program of these lines in main prints."""
    source, program = os.path.join(folder, "a.c"), os.path.join(folder, "a")
    with open(source, "w", encoding="utf-8") as file:
        file.write('#include "gromatic_tools.h"\n#include <stdio.h>\nint main(void) {\n' + "\n".join(lines) + "\n}\n")
    subprocess.run([COMPILER, "-std=c11", "-I", os.path.join(ROOT, "include"), "-o", program, source], check=True)
    return subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()


class PythonAbi(unittest.TestCase):
    def test_the_file_is_made_from_these_headers(self):
        with open(ABI, encoding="utf-8") as file:
            self.assertEqual(file.read(), maker.write(maker.read_headers()),
                             "run scripts/python-abi.py > python/gromatic/_abi.py")

    @unittest.skipUnless(shutil.which(COMPILER), "no C compiler")
    def test_sizes_offsets_and_constants_are_the_compilers(self):
        self.assertGreater(len(structs()), 30)
        lines, want = [], []
        for name, kind in structs().items():
            lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
            want.append(f"{name} {ctypes.sizeof(kind)}")
            for field, *_ in kind._fields_:
                place = getattr(kind, field)
                lines.append(f'printf("{name}.{field} %zu %zu\\n", offsetof({name}, {field}), '
                             f"sizeof((({name} *)0)->{field}));")
                want.append(f"{name}.{field} {place.offset} {place.size}")
        for name, value in vars(abi).items():
            if name.startswith("GM_"):
                lines.append(f'printf("{name} %lld\\n", (long long){name});')
                want.append(f"{name} {value}")
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(compiled(folder, lines), want)

    def test_a_changed_header_changes_the_file(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in "gromatic.h", "gromatic_tools.h":
                shutil.copy(os.path.join(ROOT, "include", name), folder)
            path = os.path.join(folder, "gromatic.h")
            with open(path, encoding="utf-8") as file:
                text = file.read()
            for old, new in (("bool complete;", "bool complete, more;"), ("float score;", "double score;"),
                             ("gm_image_free(gm_image *image)", "gm_image_free(gm_image *image, bool now)")):
                self.assertIn(old, text)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text.replace(old, new))
                self.assertNotEqual(maker.write(maker.read_headers(folder)), maker.write(maker.read_headers()), new)

    def test_every_function_of_the_core_is_there(self):
        with open(os.path.join(ROOT, "tests", "data", "abi-1.0", "gromatic.symbols"), encoding="utf-8") as file:
            self.assertEqual(set(file.read().split()) - set(abi.FUNCTIONS), set())


if __name__ == "__main__":
    unittest.main()
