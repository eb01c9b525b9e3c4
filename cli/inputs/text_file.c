/* text_file.c - see text_file.h. */
#include "text_file.h"

#include "terminal.h"
#include "whole_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "--classes names.txt", or the name alone; for messages, cut to fit. */
static void name_for(const char *option, const char *path, char *out, size_t size) {
  snprintf(out, size, "%s%s%.400s", option, *option ? " " : "",
           strcmp(path, "-") == 0 ? "standard input" : path);
}

char *cli_read_text(const char *option, const char *path, size_t limit, size_t *size) {
  char name[512];
  size_t length = 0;
  name_for(option, path, name, sizeof name);
  char *bytes = cli_read_all(path, limit, &length);
  char *text = bytes ? realloc(bytes, length + 1) : NULL;
  if (!text) {
    if (errno == EBUSY)
      cli_error("%s: it is read for something else already; it can be given once", name);
    else if (errno == EFBIG)
      cli_error("%s: found more than %zu MiB, wanted at most that", name, limit >> 20);
    else
      cli_error("%s: cannot read: %s", name, strerror(errno));
    free(bytes);
    return NULL;
  }
  gm_error err = {0};
  if (gm_text_import(text, &length, name, &err) != GM_OK) {
    cli_report_error(&err);
    free(text);
    return NULL;
  }
  if (size) *size = length;
  return text;
}

typedef struct kept_text {
  struct kept_text *next;
  size_t size;
  char *text;
  char key[]; /* the option, its NUL, and the path */
} kept_text;

static kept_text *kept;

const char *cli_kept_text(const char *option, const char *path, size_t limit, size_t *size) {
  kept_text *k = kept;
  size_t at = strlen(option) + 1;
  while (k && (strcmp(k->key, option) != 0 || strcmp(k->key + at, path) != 0)) k = k->next;
  if (!k) {
    k = malloc(sizeof *k + at + strlen(path) + 1);
    if (k) k->text = cli_read_text(option, path, limit, &k->size);
    if (!k || !k->text) {
      free(k);
      return NULL;
    }
    strcpy(k->key, option);
    strcpy(k->key + at, path);
    k->next = kept;
    kept = k;
  }
  if (size) *size = k->size;
  return k->text;
}

json_t *cli_read_json(const char *option, const char *path, size_t limit, size_t flags) {
  char name[512];
  size_t size;
  json_error_t where;
  name_for(option, path, name, sizeof name);
  char *text = cli_read_text(option, path, limit, &size);
  json_t *root = text ? json_loadb(text, size, flags, &where) : NULL;
  if (text && !root)
    cli_error("%s: line %d: %s; wanted JSON", name, where.line,
              where.text[0] ? where.text : "no memory");
  free(text);
  return root;
}

json_t *cli_member_named(json_t *object, const char *name) {
  const char *key, *at = name;
  json_t *value = json_object_get(object, name);
  while (*at && (unsigned char)*at < 0x80) at++;
  if (value || !*at) return value; /* ASCII has only one form */
  json_object_foreach(object, key, value) if (gm_name_compare(key, name) == 0) return value;
  return NULL;
}
