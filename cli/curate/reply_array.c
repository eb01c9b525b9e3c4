/* reply_array.c - see reply_array.h. */
#include "reply_array.h"

#include "json_pull.h"

#include <stdlib.h>
#include <string.h>

/* Arrays tried, commas removed, and bytes looked at; more of them is not a reply but an attack,
 * and would take long. */
enum { MOST_TRIES = 64, MOST_COMMAS = 64, MOST_BYTES = 1 << 18 };

typedef struct array_reader {
  char *text;
  reply_array *out;
  bool ok; /* memory suffices */
} array_reader;

static size_t skip_space(const char *text, size_t at) {
  return at + strspn(text + at, " \t\r\n");
}

/* Removes the comma before a place where it is one too many. */
static bool remove_comma(char *text, size_t begin, size_t at) {
  if (!text[at] || !strchr("]},", text[at])) return false;
  while (at > begin && strchr(" \t\r\n", text[at - 1])) at--;
  if (at == begin || text[at - 1] != ',') return false;
  text[at - 1] = ' ';
  return true;
}

static char *string_of(array_reader *r, const gm_pull_value *object, const char *name) {
  gm_pull_value value = gm_pull_member_of(object, name);
  char *text = gm_pull_string(&value);
  if (!text && value.kind == GM_PULL_STRING) r->ok = false;
  return text;
}

static void add_turn(array_reader *r, const gm_pull_value *object) {
  if (r->out->n == REPLY_MOST_TURNS) return;
  reply_turn *turn = &r->out->turns[r->out->n++];
  turn->q = string_of(r, object, "q");
  turn->a = string_of(r, object, "a");
}

static void forget_turns(reply_array *array) {
  for (size_t i = 0; i < array->n; i++) {
    free(array->turns[i].q);
    free(array->turns[i].a);
  }
  array->n = 0;
}

/* Reads the array at [, up to its end or to what breaks it. *end: one after what was read. */
static void read_objects(array_reader *r, size_t begin, size_t *end, bool *whole) {
  gm_pull_value object;
  gm_pull_reader p = gm_pull_begin(r->text + begin);
  for (gm_pull_enter(&p); gm_pull_element(&p);) {
    if (gm_pull_peek(&p) != GM_PULL_OBJECT || !gm_pull_read(&p, &object)) {
      if (!p.wanted) p.wanted = "an object";
      break;
    }
    add_turn(r, &object);
  }
  *whole = !p.wanted;
  *end = (size_t)(p.at - r->text);
}

static bool has_a_turn(const reply_array *array) {
  for (size_t i = 0; i < array->n; i++)
    if (array->turns[i].q && array->turns[i].a) return true;
  return false;
}

/* Whether the array at [ is the conversation. */
static bool read_array(array_reader *r, size_t begin) {
  bool whole = false;
  size_t end = begin, commas = 0;
  for (;;) {
    forget_turns(r->out);
    read_objects(r, begin, &end, &whole);
    if (whole || commas++ == MOST_COMMAS || !remove_comma(r->text, begin, end)) break;
  }
  if (!r->ok || !has_a_turn(r->out)) return false;
  r->out->mended =
      !whole || commas || skip_space(r->text, 0) != begin || r->text[skip_space(r->text, end)];
  return true;
}

bool reply_array_read(reply_array *out, const char *reply) {
  *out = (reply_array){0};
  array_reader r = {.text = strndup(reply, MOST_BYTES), .out = out, .ok = true};
  size_t tries = 0;
  const char *at = r.text;
  for (; at && r.ok && tries < MOST_TRIES && (at = strchr(at, '[')); at++) {
    size_t begin = (size_t)(at - r.text);
    if (r.text[skip_space(r.text, begin + 1)] != '{') continue;
    tries++;
    if (read_array(&r, begin)) break;
    forget_turns(out);
  }
  bool ok = r.text && r.ok;
  free(r.text);
  return ok;
}

void reply_array_free(reply_array *array) {
  forget_turns(array);
}
