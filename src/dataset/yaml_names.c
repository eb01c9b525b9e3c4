/* yaml_names.c - the class names of YOLO's data.yaml (read_yolo.h). */
#include "read_yolo.h"

#include <stdlib.h>
#include <string.h>

typedef struct names_reader {
  const char *path;
  size_t line; /* of the present line, from 1 */
  size_t n;    /* names so far */
  gm_status (*add)(void *user, char *name);
  void *user;
  gm_error *err;
} names_reader;

static char *trimmed(char *text) {
  text += strspn(text, " \t\r");
  size_t n = strlen(text);
  while (n && strchr(" \t\r", text[n - 1])) n--;
  text[n] = 0;
  return text;
}

/* Without a comment: # at the start or after white space, outside quotes. */
static void cut_comment(char *line) {
  char quote = 0;
  for (char *c = line; *c; c++) {
    if (quote) {
      if (*c == quote) quote = 0;
    } else if ((*c == '"' || *c == '\'') && (c == line || strchr(" [{,:-", c[-1]))) {
      quote = *c;
    } else if (*c == '#' && (c == line || c[-1] == ' ' || c[-1] == '\t')) {
      *c = 0;
      return;
    }
  }
}

static char *unquoted(char *name) {
  size_t n = strlen(name);
  if (n >= 2 && (name[0] == '"' || name[0] == '\'') && name[n - 1] == name[0]) {
    name[n - 1] = 0;
    name++;
  }
  return name;
}

/* "name", or "3: name" in a map. */
static gm_status add_one(names_reader *r, char *item, bool map) {
  char *name = trimmed(item);
  if (map) {
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    end = trimmed(end);
    if (end[0] != ':' || number != r->n)
      return gm_fail(r->err, GM_ERR_ARGUMENT, "%s: line %zu: found '%.60s'; wanted '%zu: NAME'",
                     r->path, r->line, name, r->n);
    name = trimmed(end + 1);
  }
  name = unquoted(name);
  if (!name[0])
    return gm_fail(r->err, GM_ERR_ARGUMENT, "%s: line %zu: a name is empty", r->path, r->line);
  r->n++;
  return r->add(r->user, name);
}

/* The items between brackets, which may go on over lines. *rest: what is left of the text;
 * *ended: the closing bracket was there. */
static gm_status add_flow(names_reader *r, char *text, char closing, bool map, bool *ended) {
  *ended = false;
  for (char *c = text; *text; c++) {
    char quote = *c;
    if (quote == '"' || quote == '\'') {
      char *end = strchr(c + 1, quote);
      if (end) c = end;
    }
    if (*c != ',' && *c != closing && *c) continue;
    char stop = *c;
    *c = 0;
    char *item = trimmed(text);
    if (item[0]) GM_TRY(add_one(r, item, map));
    if (stop == closing) *ended = true;
    if (stop != ',') return GM_OK;
    text = c + 1;
  }
  return GM_OK;
}

gm_status gm_yaml_names(char *text, const char *path, gm_status (*add)(void *user, char *name),
                        void *user, gm_error *err) {
  names_reader r = {.path = path, .add = add, .user = user, .err = err};
  enum { BEFORE, BLOCK, FLOW } place = BEFORE;
  char closing = 0;
  bool ended = false;
  for (char *line; !ended && (line = strsep(&text, "\n"));) {
    r.line++;
    cut_comment(line);
    if (place == BEFORE) {
      if (strncmp(line, "names:", 6) != 0) continue;
      line = trimmed(line + 6);
      closing = line[0] == '[' ? ']' : '}';
      place = line[0] == '[' || line[0] == '{' ? FLOW : BLOCK;
      if (place == FLOW) line++;
    }
    bool inner = line[0] == ' ' || line[0] == '\t' || line[0] == '-';
    line = place == BLOCK ? trimmed(line) : line;
    if (place == FLOW) {
      GM_TRY(add_flow(&r, line, closing, closing == '}', &ended));
    } else if (line[0]) {
      if (!inner) break; /* the next member */
      bool list = line[0] == '-';
      GM_TRY(add_one(&r, line + list, !list));
    }
  }
  if (r.n && (place == BLOCK || ended)) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT, "%s: found no list of class names; wanted names: [...]",
                 path);
}
