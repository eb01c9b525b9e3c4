#!/usr/bin/env python3
"""Copies the licences of the libraries that a wheel takes with it: one file for each Debian package.

Usage: wheel-licences.py FOLDER ELF...
"""
import os
import shutil
import subprocess
import sys

# The system's own, which are not bundled.
SYSTEM = ("ld-linux", "libc.so", "libm.so", "libmvec.so", "libresolv.so", "libgcc_s.so", "libstdc++.so", "libgromatic")


def closure(files):
    """The paths of all shared libraries that the files need, by auditwheel's resolver, which can read other
    architectures."""
    from auditwheel.lddtree import ldd
    from pathlib import Path
    found = {}
    for file in files:
        for name, library in ldd(Path(file)).libraries.items():
            if not name.startswith(SYSTEM) and library.realpath is not None:
                found[name] = str(library.realpath)
    return sorted(set(found.values()))


def package_of(path):
    """Debian's package. Its database has some paths as they were before /lib became a link to /usr/lib."""
    for one in (path, "/usr" + path, path.removeprefix("/usr")):
        done = subprocess.run(["dpkg-query", "-S", one], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.splitlines()[0].split(":")[0]
    raise SystemExit(f"wheel-licences.py: found {path} in no package; wanted Debian's libraries")


def main(folder, *files):
    os.makedirs(folder, exist_ok=True)
    for package in sorted({package_of(path) for path in closure(files)}):
        shutil.copy(f"/usr/share/doc/{package}/copyright", os.path.join(folder, package))


if __name__ == "__main__":
    main(*sys.argv[1:])
