#!/usr/bin/env python3
"""Writes src/text/html_entities.c from Python's tables of HTML5's character references.

usage: scripts/html_entities.py > src/text/html_entities.c; clang-format is off in the tables.
"""
import html
from html.entities import html5

HEAD = """/* html_entities.c - see html_entities.h. Made by scripts/html_entities.py from Python's
 * html.entities (the named character references of the HTML standard) and its html.unescape;
 * not to be edited. */
#include "html_entities.h"

#include <stdlib.h>
#include <string.h>

typedef struct entity {
  const char *name; /* in the order of strcmp, without the semicolon */
  const char *text;
  bool legacy; /* also valid without a semicolon */
} entity;

// clang-format off
static const entity entities[] = {
"""

TAIL = """};
// clang-format on

typedef struct wanted {
  const char *name;
  size_t length;
} wanted;

static int compare(const void *key, const void *element) {
  const wanted *w = key;
  const char *name = ((const entity *)element)->name;
  int order = strncmp(w->name, name, w->length);
  return order ? order : -(name[w->length] != 0);
}

const char *gm_html_entity(const char *name, size_t length, bool *legacy) {
  const wanted key = {name, length};
  const entity *found = bsearch(&key, entities, sizeof entities / sizeof *entities,
                                sizeof *entities, compare);
  if (found) *legacy = found->legacy;
  return found ? found->text : NULL;
}

uint32_t gm_html_code_point(uint32_t number) {
  for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++)
    if (replaced[i][0] == number) return replaced[i][1];
  if ((number >= 0xD800 && number <= 0xDFFF) || number > 0x10FFFF) return 0xFFFD;
  bool control = (number >= 0x01 && number <= 0x08) || number == 0x0B ||
                 (number >= 0x0E && number <= 0x1F) || (number >= 0x7F && number <= 0x9F);
  bool no_character = (number >= 0xFDD0 && number <= 0xFDEF) || (number & 0xFFFE) == 0xFFFE;
  return control || no_character ? GM_HTML_NOTHING : number;
}
"""


def c_string(text):
    """A C literal; every non-ASCII byte in octal, which has at most three digits."""
    out = "".join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else "\\%03o" % b for b in text.encode())
    return '"%s"' % out


def rows(items, width=96):
    line = " "
    for item in items:
        if len(line) + 1 + len(item) > width:
            print(line)
            line = " "
        line += " " + item
    print(line)


names = sorted(name[:-1] for name in html5 if name.endswith(";"))
assert all(name.isascii() and name.isalnum() for name in names)
assert all(html5[name] == html5[name + ";"] for name in html5 if not name.endswith(";"))
print(HEAD, end="")
rows("{%s, %s, %d}," % (c_string(n), c_string(html5[n + ";"]), int(n in html5))
     for n in names)
print("};\n\n/* Numbers that stand for another character: NUL and Windows-1252's. */")
print("static const uint32_t replaced[][2] = {")
rows("{0x%02X, 0x%04X}," % (k, ord(v)) for k, v in sorted(html._invalid_charrefs.items()))
print(TAIL, end="")
