/* fuzz_json_pull.c - the program's own reader of large JSON files (annotations in COCO's
 * format). */
#include "support.h"

#include "json_pull.h"

#include <stdlib.h>
#include <string.h>

/* Reads as for annotations: enters one level and reads the rest as values. */
static void walk(pull_reader *p, unsigned depth) {
  pull_value key, value;
  pull_kind kind = pull_peek(p);
  if (depth < 2 && kind == PULL_OBJECT) {
    for (pull_enter(p); pull_member(p, &key);) walk(p, depth + 1);
  } else if (depth < 2 && kind == PULL_ARRAY) {
    for (pull_enter(p); pull_element(p);) walk(p, depth + 1);
  } else if (pull_read(p, &value)) {
    free(pull_string(&value));
    (void)pull_number(&value);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  char *text = malloc(size + 1);
  if (!text) return 0;
  memcpy(text, bytes, size);
  text[size] = 0;
  pull_reader p = pull_begin(text);
  walk(&p, 0);
  (void)pull_end(&p);
  (void)pull_line(&p);
  free(text);
  return 0;
}
