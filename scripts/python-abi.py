#!/usr/bin/env python3
"""Writes python/gromatic/_abi.py: the structs, constants and functions of the C headers, for ctypes.

Usage: python-abi.py [FOLDER] > python/gromatic/_abi.py
It reads gromatic.h of the folder (include), and of gromatic_tools.h what the package uses: drawing. It reads
the subset of C that the public headers are written in, and stops at anything else. tests/cli/test_python_abi.py fails
where the file is out of date, and has a C compiler confirm every size and offset.
"""
import os
import re
import sys
import textwrap

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
# The package calls these of gromatic_tools.h, and no others.
TOOLS = {"gm_mark", "gm_span_colour", "gm_draw_params", "gm_image_format", "gm_draw_to_memory", "gm_bytes_free"}
PLAIN = {"size_t": "c_size_t", "unsigned": "c_uint", "uint32_t": "c_uint32", "uint64_t": "c_uint64",
         "int": "c_int", "int32_t": "c_int32", "float": "c_float", "double": "c_double", "bool": "c_bool",
         "char": "c_char", "void": "None"}


class Header:
    """What the headers read so far declare, in their order."""

    def __init__(self):
        self.structs, self.enums, self.opaque, self.functions, self.constants = {}, {}, [], {}, {}

    def read(self, text, only=None):
        text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
        text = re.sub(r"static inline .*?\n}\n", "", text, flags=re.S)
        for name, value in re.findall(r"^#define (GM_\w+) (UINT32_MAX)$", text, re.M):
            self.constants[name] = {"UINT32_MAX": 0xFFFFFFFF}[value]
        text = re.sub(r"^[ \t]*#.*?(?<!\\)$", "", text, flags=re.M | re.S)
        for name, body in re.findall(r"typedef enum (\w+) \{(.*?)\}", text, re.S):
            if only is None or name in only:
                self.enums[name] = [(n, int(v)) for n, v in re.findall(r"(\w+) = (\d+)", body)]
        for name, other in re.findall(r"typedef struct (\w+) (\w+);", text):
            assert name == other, (name, other)
            self.opaque.append(name)
        for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", text, re.S):
            if only is None or name in only:
                self.structs[name] = self.members(body)
        for result, name, args in re.findall(r"GM_API ([^;(]*?)(gm_\w+)\((.*?)\);", text, re.S):
            if only is None or name in only:
                listed = [] if args.strip() == "void" else split(args)
                self.functions[name] = self.type_of(result), [self.type_of(*named(arg)) for arg in listed]

    def members(self, body):
        found = []
        for line in filter(None, (" ".join(part.split()) for part in body.split(";"))):
            pointer = re.fullmatch(r"(\w+) \(\*(\w+)\)\((.*)\)", line)
            if pointer:
                args = [self.type_of(*named(arg)) for arg in split(pointer[3])]
                found.append((pointer[2], f"CFUNCTYPE({', '.join([self.type_of(pointer[1]), *args])})"))
                continue
            first, *others = line.split(",")
            base = re.match(r"(?:const )?\w+", first)[0]
            for declared in [first[len(base):], *others]:
                stars, name, size = re.fullmatch(r"\s*((?:\*|const|\s)*)(\w+)(?:\[(\d+)\])?\s*", declared).groups()
                kind = self.type_of(base + " " + stars)
                found.append((name, f"{kind} * {size}" if size else kind))
        return found

    def type_of(self, text, array=False):
        text = text.replace("const", " ")
        base, stars = re.fullmatch(r"\s*(\w+)([\s*]*)", text).groups()
        depth = stars.count("*") + array
        if base in self.enums:
            kind = "c_int"
        elif base in self.structs:
            kind = base
        elif base == "uint8_t" and depth:  # pixels
            kind, depth = "c_void_p", depth - 1
        elif base in PLAIN:
            kind = PLAIN[base]
            if kind == "c_char" and depth and not array:
                kind, depth = "c_char_p", depth - 1
            elif kind == "None" and depth:
                kind, depth = "c_void_p", depth - 1
        elif base in self.opaque:
            assert depth, text
            kind, depth = "c_void_p", depth - 1
        else:
            raise SystemExit(f"python-abi.py: found the type {base!r}; wanted one that is declared before")
        for _ in range(depth):
            kind = f"POINTER({kind})"
        return kind


def split(args):
    return [" ".join(arg.split()) for arg in args.split(",")]


def named(arg):
    """The type of an argument, without its name; and whether it is an array."""
    kind, array = re.fullmatch(r"(.*?[\s*])\w+(\[\d*\])?", arg).groups()
    return kind, bool(array)


def read_headers(folder=os.path.join(ROOT, "include")):
    header = Header()
    for name, only in (("gromatic.h", None), ("gromatic_tools.h", TOOLS)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            header.read(file.read(), only)
    return header


def write(header):
    lines = ['"""The C interface for ctypes. Made by scripts/python-abi.py from the headers; do not edit."""',
             "from ctypes import (CFUNCTYPE, POINTER, Structure, c_bool, c_char, c_char_p, c_double, c_float, c_int, "
             "c_int32,", "                    c_size_t, c_uint, c_uint32, c_uint64, c_void_p)", ""]
    lines += [f"{name} = {value}" for name, value in header.constants.items()]
    for name, values in header.enums.items():
        lines += ["", f"# {name}"] + [f"{member} = {value}" for member, value in values]
    for name, members in header.structs.items():
        lines += ["", "", f"class {name}(Structure):", "    _fields_ = ["]
        lines += [f'        ("{member}", {kind}),' for member, kind in members] + ["    ]"]
    for title, wanted in (("FUNCTIONS", lambda name: name not in TOOLS), ("TOOLS", lambda name: name in TOOLS)):
        lines += ["", "", f"# name: (result, [arguments])", f"{title} = {{"]
        for name, (result, args) in header.functions.items():
            if wanted(name):
                text = f'"{name}": ({result}, [{", ".join(args)}]),'
                lines += textwrap.wrap(text, 120, initial_indent="    ", subsequent_indent=" " * (len(name) + 8),
                                       break_on_hyphens=False)
        lines.append("}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(write(read_headers(*sys.argv[1:])))
