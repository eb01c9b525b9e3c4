/* fuzz_json_pull.c - the program's own reader of large JSON files (annotations in COCO's
 * format). */
#include "support.h"

#include "json_pull.h"

#include <stdlib.h>
#include <string.h>

/* Reads as for annotations: enters one level and reads the rest as values. */
static void walk(gm_pull_reader *p, unsigned depth) {
  gm_pull_value key, value;
  gm_pull_kind kind = gm_pull_peek(p);
  if (depth < 2 && kind == GM_PULL_OBJECT) {
    for (gm_pull_enter(p); gm_pull_member(p, &key);) walk(p, depth + 1);
  } else if (depth < 2 && kind == GM_PULL_ARRAY) {
    for (gm_pull_enter(p); gm_pull_element(p);) walk(p, depth + 1);
  } else if (gm_pull_read(p, &value)) {
    free(gm_pull_string(&value));
    (void)gm_pull_number(&value);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  char *text = malloc(size + 1);
  if (!text) return 0;
  memcpy(text, bytes, size);
  text[size] = 0;
  gm_pull_reader p = gm_pull_begin(text);
  walk(&p, 0);
  (void)gm_pull_end(&p);
  (void)gm_pull_line(&p);
  free(text);
  return 0;
}
