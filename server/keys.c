/* keys.c - see keys.h. Sums are compared instead of keys: they all have one length, and the
 * first letters of a wrong one say nothing about the key. */
#include "keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEY = 4096 };

static gm_status fail(gm_error *err, gm_status status, const char *path, const char *what) {
  err->status = status;
  snprintf(err->message, sizeof err->message, "--api-key-file %.500s: %s", path, what);
  return status;
}

static bool is_key(const char *line) {
  for (const char *at = line; *at; at++)
    if (*at <= ' ' || *at > '~') return false;
  return strlen(line) <= MAX_KEY;
}

static gm_status add(srv_keys *keys, const char *key) {
  char(*grown)[SRV_ID] = realloc(keys->sums, (keys->n + 1) * sizeof *grown);
  if (!grown) return GM_ERR_MEMORY;
  keys->sums = grown;
  gm_sha256(key, strlen(key), grown[keys->n++]);
  return GM_OK;
}

static gm_status read_lines(srv_keys *keys, FILE *file, const char *path, gm_error *err) {
  char *line = NULL, what[96];
  size_t room = 0, number = 0;
  gm_status status = GM_OK;
  for (ssize_t n; status == GM_OK && (n = getline(&line, &room, file)) >= 0;) {
    number++;
    while (n > 0 && strchr(" \t\r\n", line[n - 1])) line[--n] = 0;
    char *key = line + strspn(line, " \t");
    if (!*key || *key == '#') continue;
    snprintf(what, sizeof what, "line %zu: wanted a key of visible ASCII characters", number);
    if (strlen(line) != (size_t)n || !is_key(key))
      status = fail(err, GM_ERR_ARGUMENT, path, what);
    else if (add(keys, key) != GM_OK)
      status = fail(err, GM_ERR_MEMORY, path, "no memory for the keys");
  }
  free(line);
  if (status == GM_OK && ferror(file)) status = fail(err, GM_ERR_IO, path, "cannot be read");
  if (status == GM_OK && keys->n == 0)
    status = fail(err, GM_ERR_ARGUMENT, path, "found no key, wanted one a line");
  return status;
}

gm_status srv_keys_read(srv_keys *out, const char *path, gm_error *err) {
  srv_keys keys = {0};
  FILE *file = fopen(path, "re");
  if (!file) return fail(err, GM_ERR_FILE_NOT_FOUND, path, strerror(errno));
  gm_status status = read_lines(&keys, file, path, err);
  fclose(file);
  if (status == GM_OK) {
    srv_keys_free(out);
    *out = keys;
  } else {
    srv_keys_free(&keys);
  }
  return status;
}

void srv_keys_free(srv_keys *keys) {
  free(keys->sums);
  *keys = (srv_keys){0};
}

bool srv_keys_check(const srv_keys *keys, const char *given, char id[SRV_ID], size_t *number) {
  size_t found = 0;
  gm_sha256(given ? given : "", given ? strlen(given) : 0, id);
  for (size_t i = 0; i < keys->n; i++) {
    volatile unsigned char differ = 0;
    for (size_t k = 0; k < SRV_ID - 1; k++) differ |= (unsigned char)(keys->sums[i][k] ^ id[k]);
    found |= (i + 1) & (0 - (size_t)(differ == 0));
  }
  *number = found;
  return found != 0 && given;
}
