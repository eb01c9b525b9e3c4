"""scripts/install-deps.sh without apt: it looks for the dependencies and names those that are missing."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SCRIPT = os.path.join(ROOT, "scripts", "install-deps.sh")
TOOLS = ["sh", "cat", "mktemp", "rm", "tr", "id", "grep", "python3"]  # used by the script itself
COMMANDS = ["cc", "cmake", "ninja"]


def rows():
    """The table's rows: (wanted, debian, arm64, found, fedora, arch, alpine)."""
    with open(SCRIPT) as file:
        table = file.read().split("END_OF_TABLE")[1]
    return [line.split() for line in table.splitlines() if line.strip() and not line.startswith(("'", "#"))]


class InstallDeps(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.bin = folder.name
        for tool in TOOLS:
            os.symlink(shutil.which(tool), os.path.join(self.bin, tool))
        for command in COMMANDS:
            self.stub(command, "exit 0")
        self.stub("fc-list", "echo DejaVu Sans")
        self.have(*(name for row in rows() for name in row[3].split(",") if ":" not in name))

    def stub(self, name, text):
        path = os.path.join(self.bin, name)
        with open(path, "w") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)

    def have(self, *libraries):
        """A pkg-config that knows only these."""
        self.stub("pkg-config", f'case " {" ".join(libraries)} " in *" $2 "*) exit 0 ;; esac; exit 1')
        self.libraries = libraries

    def run_script(self, target="build", code=0):
        done = subprocess.run(["/bin/sh", SCRIPT, target], env={"PATH": self.bin}, capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done)
        return done.stdout, done.stderr

    def test_all_is_there(self):
        for target in "build", "test":
            self.assertEqual(self.run_script(target), ("", ""))

    def test_what_is_missing_is_named(self):
        self.have(*(name for name in self.libraries if name not in ("libwebp", "libwebpdemux", "libarchive")))
        os.remove(os.path.join(self.bin, "ninja"))
        out, err = self.run_script(code=1)
        self.assertEqual(out, "")
        self.assertEqual(err.splitlines(), [
            "There is no apt here. These are missing:",
            "  ninja (command)", "  libwebp (pkg-config)", "  libwebpdemux (pkg-config)", "  libarchive (pkg-config)",
            "Install them, then run make again:",
            "  Fedora: sudo dnf install ninja-build libwebp-devel libarchive-devel",
            "  Arch:   sudo pacman -S ninja libwebp libarchive",
            "  Alpine: sudo apk add ninja-build libwebp-dev libarchive-dev"])

    def test_only_tests_want_cmocka(self):
        self.have(*(name for name in self.libraries if name != "cmocka"))
        self.run_script("build")
        self.assertIn("sudo apk add cmocka-dev\n", self.run_script("test", code=1)[1])

    def test_without_pkg_config(self):
        os.remove(os.path.join(self.bin, "pkg-config"))
        err = self.run_script(code=1)[1]
        self.assertIn("  pkg-config (command)\n", err)
        self.assertIn("pkgconf-pkg-config", err)

    def test_a_font_is_missing(self):
        self.stub("fc-list", "")
        self.assertIn("sudo pacman -S ttf-dejavu\n", self.run_script(code=1)[1])
        os.remove(os.path.join(self.bin, "fc-list"))  # without it fonts cannot be checked; the build does not need it
        self.run_script()

    def test_apt_on_another_system(self):
        """Fedora packages apt and dpkg, too."""
        self.stub("apt-get", "echo apt was run; exit 1")
        self.stub("dpkg-query", "exit 1")
        self.assertEqual(self.run_script(), ("", ""))

    def test_debian_without_rights(self):
        self.stub("apt-get", "echo apt was run; exit 1")
        os.remove(os.path.join(self.bin, "id"))
        self.stub("id", "echo 1000")
        self.stub("dpkg-query", 'case "$3" in libpng-dev) exit 1 ;; *) echo "all install ok installed" ;; esac')
        self.stub("dpkg", "echo amd64")
        self.assertEqual(self.run_script(), ("", ""))  # libpng is installed, from elsewhere
        self.have(*(name for name in self.libraries if name != "libpng"))
        self.assertIn("  apt-get install -y libpng-dev\n", self.run_script(code=1)[1])

    def test_usage(self):
        self.assertIn("usage:", self.run_script("all", code=2)[1])

    def test_every_library_of_the_build_has_a_row(self):
        found = {name for row in rows() for name in row[3].split(",")}
        wanted = set()
        for folder in "", "cli", "tests", "src":
            with open(os.path.join(ROOT, folder, "CMakeLists.txt")) as file:
                for arguments in re.findall(r"pkg_check_modules\(([^)]*)\)", file.read()):
                    wanted.update(arguments.split("IMPORTED_TARGET")[1].split())
        self.assertGreater(len(wanted), 8)
        for name in wanted:
            self.assertIn(re.split("[<>=]", name)[0], found)

    def test_rows_are_whole(self):
        for row in rows():
            self.assertEqual(len(row), 7, row)


if __name__ == "__main__":
    unittest.main()
