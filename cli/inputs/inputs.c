/* inputs.c - see inputs.h. */
#include "inputs.h"

#include "folder.h"
#include "tar_file.h"
#include "terminal.h"
#include "text_file.h"
#include "whole_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Where a picture in a tar file is. */
struct cli_place {
  size_t archive; /* length of the tar file's name before the entry's; 0: not in a tar file */
  size_t entry;   /* its number in the tar file */
};

/* ---- adding ---- */

static bool add_name(cli_inputs *inputs, const char *name) {
  size_t n = inputs->n;
  if ((n & (n - 1)) == 0) {
    size_t room = n ? 2 * n : 1;
    char **names = realloc(inputs->names, room * sizeof *names);
    if (names) inputs->names = names;
    struct cli_place *places = realloc(inputs->places, room * sizeof *places);
    if (places) inputs->places = places;
    if (!names || !places) return false;
  }
  inputs->places[n] = (struct cli_place){0, 0};
  inputs->names[n] = strdup(name);
  if (inputs->names[n]) inputs->n++;
  return inputs->n > n;
}

typedef struct archive_adding {
  cli_inputs *inputs;
  const char *path;
} archive_adding;

static bool add_entry(void *user, const char *entry, size_t number) {
  archive_adding *a = user;
  char *name = NULL;
  bool ok = asprintf(&name, "%s/%s", a->path, entry) >= 0 && add_name(a->inputs, name);
  if (ok) a->inputs->places[a->inputs->n - 1] = (struct cli_place){strlen(a->path), number};
  free(name);
  return ok;
}

static int add_archive(cli_inputs *inputs, const char *path) {
  archive_adding adding = {inputs, path};
  size_t before = inputs->n;
  if (!cli_archive_list(path, add_entry, &adding)) return CLI_USAGE;
  if (inputs->n > before) return CLI_DONE;
  cli_error("%s: no pictures (.jpg, .jpeg, .png, .webp) in this archive", path);
  return CLI_USAGE;
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool add_picture(void *user, const char *picture) {
  return add_name(user, picture);
}

static int add_directory(cli_inputs *inputs, const char *path) {
  size_t first = inputs->n;
  if (!cli_folder_list(path, inputs->recursive, add_picture, inputs)) return CLI_USAGE;
  if (inputs->n > first)
    qsort(inputs->names + first, inputs->n - first, sizeof(char *), by_name);
  if (inputs->n == first) {
    cli_error("%s: no pictures (.jpg, .jpeg, .png, .webp) in this directory%s", path,
              inputs->recursive ? "" : "; -r looks into its directories");
    return CLI_USAGE;
  }
  return CLI_DONE;
}

/* Adds the next argument; a list is only opened. */
static int add_given(cli_inputs *inputs) {
  const char *name = inputs->given.items[inputs->next++];
  struct stat st;
  if (!name[0]) {
    cli_error("picture %zu: found an empty name, wanted that of a file", inputs->next);
    return CLI_USAGE;
  }
  if (name[0] == '@' && name[1]) {
    inputs->list = name_list_open(name + 1);
    return inputs->list ? CLI_DONE : cli_interrupted() ? CLI_INTERRUPTED : CLI_USAGE;
  }
  if (strcmp(name, "-") != 0 && stat(name, &st) == 0 && S_ISDIR(st.st_mode))
    return add_directory(inputs, name);
  if (cli_is_archive(name)) return add_archive(inputs, name);
  if (add_name(inputs, name)) return CLI_DONE;
  cli_error("no memory for the pictures' names");
  return CLI_SOME_FAILED;
}

/* ---- what comes next ---- */

static void end_with(cli_inputs *inputs, int code) {
  inputs->code = code;
  inputs->whole = true;
}

/* Adds one name of the open list. */
static input_state add_listed(cli_inputs *inputs, bool wait) {
  const char *name;
  input_state state = name_list_next(inputs->list, wait, &name);
  if (state == INPUT_THERE && !add_name(inputs, name)) {
    cli_error("no memory for the pictures' names");
    state = INPUT_WRONG;
  }
  if (state == INPUT_NONE && name_list_is_empty(inputs->list)) state = INPUT_WRONG;
  if (state == INPUT_NONE || state == INPUT_WRONG) {
    name_list_close(inputs->list);
    inputs->list = NULL;
  }
  if (state == INPUT_WRONG) end_with(inputs, CLI_USAGE);
  return state;
}

input_state cli_inputs_more(cli_inputs *inputs, size_t i, bool wait) {
  while (i >= inputs->n) {
    if (!inputs->list && (inputs->whole || inputs->next == inputs->given.n)) {
      inputs->whole = true;
      return INPUT_NONE;
    }
    if (inputs->list) {
      if (add_listed(inputs, wait) == INPUT_LATER) return INPUT_LATER;
      continue;
    }
    int code = add_given(inputs);
    if (code != CLI_DONE) end_with(inputs, code);
  }
  return INPUT_THERE;
}

int cli_expand_inputs(const cli_list *given, bool recursive, cli_inputs *out) {
  *out = (cli_inputs){.given = *given, .recursive = recursive};
  while (!out->whole && !(out->list && name_list_comes_slowly(out->list)))
    (void)cli_inputs_more(out, out->n, false);
  return out->code;
}

int cli_inputs_finish(cli_inputs *inputs) {
  while (cli_inputs_more(inputs, inputs->n, true) == INPUT_THERE) continue;
  if (inputs->whole) return inputs->code;
  cli_error("interrupted");
  return CLI_INTERRUPTED;
}

void cli_inputs_free(cli_inputs *inputs) {
  for (size_t i = 0; i < inputs->n; i++) free(inputs->names[i]);
  free(inputs->names);
  free(inputs->places);
  name_list_close(inputs->list);
  cli_archive_close(inputs->open);
  *inputs = (cli_inputs){0};
}

/* ---- reading ---- */

const char *cli_inputs_entry(const cli_inputs *inputs, size_t i) {
  size_t length = inputs->places[i].archive;
  return length ? inputs->names[i] + length + 1 : NULL;
}

void *cli_inputs_read(cli_inputs *inputs, size_t i, size_t limit, size_t *size) {
  const char *name = inputs->names[i];
  const struct cli_place place = inputs->places[i];
  if (place.archive == 0) return cli_read_all(name, limit, size);
  const char *open = inputs->open ? cli_archive_path(inputs->open) : "";
  if (strlen(open) != place.archive || strncmp(open, name, place.archive) != 0) {
    char *path = strndup(name, place.archive);
    cli_archive_close(inputs->open);
    inputs->open = path ? cli_archive_open(path) : NULL;
    free(path);
    errno = EIO;
    if (!inputs->open) return NULL;
  }
  return cli_archive_read(inputs->open, place.entry, limit, size);
}
