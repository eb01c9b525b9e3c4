#!/usr/bin/env python3
"""Checks that the includes of src/ only point down, without circles. Prints each breach; fails if there is one.

Usage: includes.py [SRC]
The order of the folders is that of gromatic_dirs in SRC/CMakeLists.txt: a file includes headers of its own folder and of
those before it. Headers of one folder must not include each other in a circle. A header's name must be unique,
since includes name no folder. Folders that are not in the list (embed) are above all that are.
"""
import os
import re
import sys

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.MULTILINE)


def folders_of(src):
    with open(os.path.join(src, "CMakeLists.txt")) as file:
        found = re.search(r"set\(gromatic_dirs\s+([^)]*)\)", file.read())
    return found.group(1).split() if found else []


def read_tree(src):
    """{path below src: [names that it includes]} of all C files and headers."""
    files = {}
    for folder, _, names in os.walk(src):
        for name in sorted(names):
            if name.endswith((".c", ".h")):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    files[os.path.relpath(path, src)] = INCLUDE.findall(file.read())
    return files


def circle_from(header, edges, trail, done):
    """The headers of a circle that is reached from `header`; None if there is none."""
    if header in trail:
        return trail[trail.index(header):] + [header]
    if header in done:
        return None
    for other in edges[header]:
        found = circle_from(other, edges, trail + [header], done)
        if found:
            return found
    done.add(header)
    return None


def check(src):
    """The breaches, one line each."""
    order = folders_of(src)
    if not order:
        return [os.path.join(src, "CMakeLists.txt") + ": found no list gromatic_dirs"]
    rank = {folder: i for i, folder in enumerate(order)}
    files = read_tree(src)
    breaches = [f"{folder}: in gromatic_dirs, but there is no such folder" for folder in order
                if not os.path.isdir(os.path.join(src, folder))]

    def rank_of(path):
        return rank.get(path.split(os.sep)[0], len(order))

    homes = {}
    for path in sorted(files):
        if path.endswith(".h"):
            name = os.path.basename(path)
            if name in homes:
                breaches.append(f"{path}: {homes[name]} has the same name")
            homes.setdefault(name, path)
    edges = {path: [] for path in homes.values()}
    for path, names in sorted(files.items()):
        for name in names:
            home = homes.get(os.path.basename(name))
            if not home:
                continue  # the public header, or one that is made by the build
            if rank_of(home) > rank_of(path):
                breaches.append(f"{path} includes {home}, which stands above it")
            if path in edges:
                edges[path].append(home)
    done = set()
    for header in sorted(edges):
        found = circle_from(header, edges, [], done)
        if found:
            breaches.append("headers in a circle: " + " -> ".join(found))
            break
    return breaches


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    breaches = check(sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "src"))
    print("\n".join(breaches) if breaches else "all includes point down")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
