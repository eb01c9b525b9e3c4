/* labelled_set.c - see labelled_set.h. */
#include "labelled_set.h"

#include "folder.h"
#include "name_table.h"
#include "room.h"
#include "terminal.h"
#include "text_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_CSV = 256 << 20 };

static const char no_label[] = "without a file or its label",
                  no_pictures[] = "without pictures",
                  open_quote[] = "whose quote does not end on its line",
                  other_class[] = "whose class is not among the classes";

/* Takes over both strings. */
static bool add_picture(labelled_set *set, char *path, char *label) {
  labelled_picture *grown =
      path && label ? gm_room_for_one(set->pictures, set->n, sizeof *grown) : NULL;
  if (!grown) {
    free(path);
    free(label);
    return false;
  }
  set->pictures = grown;
  grown[set->n++] = (labelled_picture){.path = path, .label = label};
  return true;
}

/* ---- folders ---- */

static char *class_of_folder(const char *name) {
  char *label = strdup(name);
  for (char *c = label; c && *c; c++)
    if (*c == '_') *c = ' ';
  return label;
}

typedef struct class_folder {
  labelled_set *set;
  const char *name;
} class_folder;

static bool add_found(void *user, const char *picture) {
  const class_folder *f = user;
  return add_picture(f->set, strdup(picture), class_of_folder(f->name));
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const labelled_picture *)a)->path, ((const labelled_picture *)b)->path);
}

static bool add_folder(labelled_set *set, const char *path, const char *name) {
  char *folder = NULL;
  struct stat st;
  size_t first = set->n;
  class_folder found = {set, name};
  if (asprintf(&folder, "%s/%s", path, name) < 0) return false;
  bool there = stat(folder, &st) == 0 && S_ISDIR(st.st_mode);
  bool ok = !there || cli_folder_list(folder, false, add_found, &found);
  if (set->n > first)
    qsort(set->pictures + first, set->n - first, sizeof *set->pictures, by_path);
  else if (there && ok)
    left_out_add(&set->left_out, no_pictures, name);
  free(folder);
  return ok;
}

static bool load_folders(labelled_set *set, const char *path) {
  struct dirent **entries;
  int n = scandir(path, &entries, NULL, alphasort);
  if (n < 0) {
    cli_error("%s: cannot read the folder: %s", path, strerror(errno));
    return false;
  }
  bool ok = true;
  for (int i = 0; i < n; i++) {
    if (ok && entries[i]->d_name[0] != '.') ok = add_folder(set, path, entries[i]->d_name);
    free(entries[i]);
  }
  free(entries);
  return ok;
}

/* ---- CSV ---- */

/* The next field of *line, unquoted in place (RFC 4180, without line ends inside quotes) and
 * without outer spaces; NULL after the last. *open: its quote does not end. */
static char *next_field(char **line, bool *open) {
  char *field = *line;
  if (!field) return NULL;
  field += strspn(field, " \t");
  char *to = field, *at = field,
       *kept = field; /* kept: trailing spaces before this are part of the field */
  bool quoted = *at == '"';
  if (quoted) at++;
  for (; *at; at++) {
    if (quoted && *at == '"' && at[1] == '"') {
      at++;
    } else if (quoted && *at == '"') {
      quoted = false;
      kept = to;
      continue;
    } else if (!quoted && *at == ',') {
      break;
    }
    *to++ = *at;
  }
  *line = *at ? at + 1 : NULL;
  *open |= quoted;
  while (to > kept && (to[-1] == ' ' || to[-1] == '\t')) to--;
  *to = 0;
  return field;
}

typedef struct columns {
  size_t file, label;
} columns;

static bool read_header(char *line, columns *found) {
  bool file = false, label = false, open = false;
  size_t i = 0;
  for (char *field; (field = next_field(&line, &open)); i++) {
    if (strcasecmp(field, "file") == 0) {
      found->file = i;
      file = true;
    } else if (strcasecmp(field, "label") == 0) {
      found->label = i;
      label = true;
    }
  }
  return file && label;
}

static bool add_row(labelled_set *set, char *line, const columns *c, const char *folder,
                    size_t number) {
  char *file = NULL, *label = NULL, *path = NULL;
  bool open = false;
  size_t i = 0;
  for (char *field; (field = next_field(&line, &open)); i++) {
    if (i == c->file) file = field;
    if (i == c->label) label = field;
  }
  if (open || !file || !label || !*file || !*label) {
    char name[40];
    snprintf(name, sizeof name, "line %zu", number);
    left_out_add(&set->left_out, open ? open_quote : no_label, name);
    return true;
  }
  int n = *file == '/' ? asprintf(&path, "%s", file) : asprintf(&path, "%s/%s", folder, file);
  return add_picture(set, n < 0 ? NULL : path, strdup(label));
}

/* has_folder: the CSV is in a folder; one from a pipe is not. */
static bool load_csv(labelled_set *set, const char *path, bool has_folder) {
  size_t number = 0;
  char *text = cli_read_text("", path, MAX_CSV, NULL), *folder = strdup(path);
  if (!text || !folder) {
    free(text);
    free(folder);
    return false;
  }
  char *slash = has_folder ? strrchr(folder, '/') : NULL, *rest = text;
  if (slash)
    *slash = 0;
  else
    strcpy(folder, path[0] ? "." : "");
  columns c = {0, 1};
  bool ok = true;
  for (char *line; ok && (line = strsep(&rest, "\n"));) {
    number++;
    if (!*line) continue;
    char *copy = set->n == 0 ? strdup(line) : NULL;
    bool header = copy && read_header(copy, &c);
    free(copy);
    if (header) continue;
    ok = add_row(set, line, &c, folder, number);
    if (!ok) cli_error("%s: not enough memory", path);
  }
  free(text);
  free(folder);
  return ok;
}

/* ---- both ---- */

bool labelled_set_load(labelled_set *set, const char *path, size_t limit) {
  *set = (labelled_set){0};
  struct stat st;
  bool there = stat(path, &st) == 0, folder = there && S_ISDIR(st.st_mode);
  if (!(folder ? load_folders(set, path) : load_csv(set, path, there && S_ISREG(st.st_mode))))
    return false;
  if (set->n == 0) {
    left_out_tell(&set->left_out, path, "entry", "entries");
    cli_error("%s: found no pictures; wanted %s", path,
              folder ? "a folder of pictures for each class, with the class's name"
                     : "rows of a file and its label with a comma between them");
  }
  for (; limit && set->n > limit; set->n--) {
    free(set->pictures[set->n - 1].path);
    free(set->pictures[set->n - 1].label);
  }
  return set->n > 0;
}

void labelled_set_free(labelled_set *set) {
  for (size_t i = 0; i < set->n; i++) {
    free(set->pictures[i].path);
    free(set->pictures[i].label);
  }
  free(set->pictures);
  left_out_free(&set->left_out);
  *set = (labelled_set){0};
}

bool labelled_set_keep(labelled_set *set, const char *const *classes, size_t n) {
  gm_name_table table = {0};
  bool ok = true;
  size_t kept = 0;
  for (size_t i = 0; ok && i < n; i++) ok = gm_name_table_add_name(&table, classes[i]) == i;
  for (size_t i = 0; ok && i < set->n; i++) {
    labelled_picture p = set->pictures[i];
    p.class_index = gm_name_table_find_name(&table, p.label);
    if (p.class_index != GM_NAME_NONE) {
      set->pictures[kept++] = p;
      continue;
    }
    char name[200];
    snprintf(name, sizeof name, "%.120s ('%.60s')", p.path, p.label);
    left_out_add(&set->left_out, other_class, name);
    free(p.path);
    free(p.label);
  }
  if (ok) set->n = kept;
  gm_name_table_free(&table);
  return ok;
}

const char **labelled_set_labels(const labelled_set *set, size_t *n) {
  const char **labels = malloc((set->n + 1) * sizeof *labels);
  gm_name_table table = {0};
  *n = 0;
  for (size_t i = 0; labels && i < set->n; i++) {
    size_t place = gm_name_table_add_name(&table, set->pictures[i].label);
    if (place == *n) labels[(*n)++] = set->pictures[i].label;
    if (place != GM_NAME_NONE) continue;
    free(labels);
    labels = NULL;
  }
  gm_name_table_free(&table);
  return labels;
}
