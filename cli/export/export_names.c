/* export_names.c - see export_names.h. */
#include "export_names.h"

#include "file_names.h"
#include "gromatic.h"
#include "terminal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool export_items_add(export_items *items, const char *file, size_t number) {
  export_item *grown = items->all;
  if ((items->n & (items->n + 1)) == 0) /* room for twice as many, less one */
    grown = realloc(items->all, (2 * items->n + 1) * sizeof *grown);
  if (!grown) return false;
  items->all = grown;
  grown[items->n] = (export_item){.file = strdup(file), .number = number, .train = true};
  return grown[items->n++].file != NULL;
}

void export_items_free(export_items *items) {
  for (size_t i = 0; i < items->n; i++) {
    free(items->all[i].file);
    free(items->all[i].stem);
    free(items->all[i].image);
  }
  free(items->all);
  *items = (export_items){0};
}

/* ---- one name ---- */

static const char *base_name(const char *file) {
  const char *slash = strrchr(file, '/');
  return slash ? slash + 1 : file;
}

/* Where the ending of the base name begins; its end if it has none. */
static const char *ending_of(const char *base) {
  const char *dot = strrchr(base, '.');
  return dot && dot > base ? dot : base + strlen(base);
}

/* The ending for the picture's bytes, for a file whose name has none; "" for unknown formats.
 */
static const char *ending_of_bytes(const char *file) {
  unsigned char head[12] = {0};
  FILE *in = strcmp(file, "-") == 0 ? NULL : fopen(file, "re");
  size_t n = in ? fread(head, 1, sizeof head, in) : 0;
  if (in) fclose(in);
  if (n == sizeof head && memcmp(head, "RIFF", 4) == 0 && memcmp(head + 8, "WEBP", 4) == 0)
    return ".webp";
  if (memcmp(head, "\x89PNG", 4) == 0) return ".png";
  return memcmp(head, "\xFF\xD8\xFF", 3) == 0 ? ".jpg" : "";
}

/* The length of the line end or other control character at text, as Python's readers of lists
 * know them: U+0000 to U+001F, U+007F to U+009F, U+2028, U+2029. */
static size_t control_at(const char *text) {
  const unsigned char *c = (const unsigned char *)text;
  if (c[0] < 0x20 || c[0] == 0x7F) return 1;
  if (c[0] == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0) return 2;
  return c[0] == 0xE2 && c[1] == 0x80 && (c[2] == 0xA8 || c[2] == 0xA9) ? 3 : 0;
}

/* The length of the white space at text, as Python strips it from the lines of a list. */
static size_t space_at(const char *text) {
  static const char *const spaces[] = {
      " ", "\xC2\xA0", "\xE1\x9A\x80", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};
  for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
    if (strncmp(text, spaces[i], strlen(spaces[i])) == 0) return strlen(spaces[i]);
  const unsigned char *c = (const unsigned char *)text;
  return c[0] == 0xE2 && c[1] == 0x80 && c[2] >= 0x80 && c[2] <= 0x8A ? 3 : 0;
}

/* Replaces in place what a list of names cannot hold by '_'. list: names are lines of their
 * own, where outer white space is lost and '#' begins a comment. */
static void make_plain(char *stem, bool list) {
  char *to = stem;
  for (const char *from = stem; *from;) {
    size_t n = control_at(from);
    if (n == 0 && *from != '/' && (from > stem || *from != '.')) {
      *to++ = *from++;
    } else {
      *to++ = *from == '/' ? '-' : '_';
      from += n ? n : 1;
    }
  }
  *to = 0;
  if (!list) return;
  size_t first = *stem == '#' ? 1 : space_at(stem), last = 0;
  if (first) {
    *stem = '_';
    memmove(stem + 1, stem + first, strlen(stem + first) + 1);
  }
  for (size_t n = 1, length = strlen(stem); n <= 3 && n < length; n++)
    if (space_at(stem + length - n) == n) last = n;
  if (last) strcpy(stem + strlen(stem) - last, "_");
}

/* Cuts in place to the length that a file's name may have, with a hash of the whole for the
 * rest. */
static void make_short(char *stem, const char *file, size_t ending) {
  enum { LONGEST = 255, SUM = 8 };
  size_t most = LONGEST - (ending < 4 ? 4 : ending), length = strlen(stem);
  if (length <= most) return;
  char sum[65];
  gm_sha256(file, strlen(file), sum);
  size_t kept = most - SUM - 1;
  while (kept > 0 && ((unsigned char)stem[kept] & 0xC0) == 0x80) kept--;
  snprintf(stem + kept, length - kept + 1, "-%.8s", sum);
}

/* How much of the file's name the stem has. */
enum { STEM, WHOLE, FOLDERS_STEM, FOLDERS_WHOLE };

/* A level above FOLDERS_WHOLE adds a number. NULL if memory is short. */
static char *make_stem(const char *file, unsigned level, bool list, size_t ending) {
  const char *name = strcmp(file, "-") == 0 ? "stdin" : file, *base = base_name(name);
  const char *own = base;
  if (level >= FOLDERS_STEM) own = name + strspn(name, "./");
  if (!*own || own > base) own = base;
  bool whole = level == WHOLE || level >= FOLDERS_WHOLE;
  size_t length = whole ? strlen(own) : (size_t)(ending_of(base) - own);
  char *stem = NULL;
  int n = level > FOLDERS_WHOLE
              ? asprintf(&stem, "%.*s-%u", (int)length, own, level - FOLDERS_WHOLE + 1)
              : asprintf(&stem, "%.*s", (int)length, own);
  if (n < 0) return NULL;
  make_plain(stem, list);
  make_short(stem, file, ending);
  return stem;
}

/* ---- all names ---- */

typedef struct named {
  export_item *item;
  unsigned level;
} named;

static int by_file(const void *a, const void *b) {
  const export_item *x = ((const named *)a)->item, *y = ((const named *)b)->item;
  int order = strcmp(x->file, y->file);
  return order ? order : x->number < y->number ? -1 : x->number > y->number;
}

static int by_stem(const void *a, const void *b) {
  int order = strcmp(((const named *)a)->item->stem, ((const named *)b)->item->stem);
  return order ? order : by_file(a, b);
}

static const char *item_ending(const export_item *item, bool look) {
  const char *base = base_name(item->file);
  return look && !cli_is_picture_name(base) ? ending_of_bytes(item->file) : ending_of(base);
}

/* Gives each picture without a stem one of its level. False if memory is short. */
static bool make_stems(named *names, size_t n, const cli_export *export) {
  for (size_t i = 0; i < n; i++) {
    export_item *item = names[i].item;
    if (item->stem) continue;
    size_t ending = strlen(item_ending(item, export->link));
    item->stem = make_stem(item->file, names[i].level, export->format == FORMAT_VOC, ending);
    if (!item->stem) return false;
  }
  return true;
}

/* Removes stems that several pictures share. If there is no further level, one of them keeps
 * it. */
static bool raise_shared(named *names, size_t n) {
  bool any = false;
  for (size_t i = 0, end; i < n; i = end) {
    const char *stem = names[i].item->stem;
    for (end = i + 1; end < n && strcmp(names[end].item->stem, stem) == 0;) end++;
    if (end - i < 2) continue;
    any = true;
    for (size_t k = end; k-- > i;) {
      if (k == i && names[k].level >= FOLDERS_WHOLE) continue;
      free(names[k].item->stem);
      names[k].item->stem = NULL;
      names[k].level++;
    }
  }
  return any;
}

static int choose_stems(named *names, size_t n, const cli_export *export) {
  do {
    if (!make_stems(names, n, export)) return 1;
    qsort(names, n, sizeof *names, by_stem);
  } while (raise_shared(names, n));
  return 0;
}

int export_items_name(export_items *items, const cli_export *export) {
  named *names = calloc(items->n + 1, sizeof *names);
  if (!names) return 1;
  for (size_t i = 0; i < items->n; i++) names[i].item = &items->all[i];
  qsort(names, items->n, sizeof *names, by_file);
  int code = 0;
  for (size_t i = 1; code == 0 && i < items->n; i++)
    if (strcmp(names[i - 1].item->file, names[i].item->file) == 0) {
      cli_error("%s: found this picture twice, as number %zu and %zu; wanted it once, as each "
                "has one file of boxes",
                names[i].item->file, names[i - 1].item->number, names[i].item->number);
      code = -1;
    }
  if (code == 0) code = choose_stems(names, items->n, export);
  free(names);
  for (size_t i = 0; code == 0 && i < items->n; i++) {
    export_item *item = &items->all[i];
    if (asprintf(&item->image, "%s%s", item->stem, item_ending(item, export->link)) >= 0)
      continue;
    item->image = NULL;
    code = 1;
  }
  return code;
}

/* ---- the split ---- */

typedef struct drawn {
  char sum[65];
  export_item *item;
} drawn;

static int by_sum(const void *a, const void *b) {
  return strcmp(((const drawn *)a)->sum, ((const drawn *)b)->sum);
}

bool export_items_split(export_items *items, double split, uint64_t seed) {
  if (split < 0) return true;
  drawn *order = calloc(items->n + 1, sizeof *order);
  bool ok = order != NULL;
  for (size_t i = 0; ok && i < items->n; i++) {
    char *text = NULL;
    ok = asprintf(&text, "%llu %s", (unsigned long long)seed, items->all[i].stem) >= 0;
    if (!ok) break;
    gm_sha256(text, strlen(text), order[i].sum);
    order[i].item = &items->all[i];
    free(text);
  }
  size_t n = (size_t)lround(split * (double)items->n);
  if (items->n >= 2 && n == 0) n = 1; /* neither part is empty */
  if (items->n >= 2 && n == items->n) n--;
  if (ok) qsort(order, items->n, sizeof *order, by_sum);
  for (size_t i = 0; ok && i < items->n; i++) order[i].item->train = i < n;
  free(order);
  return ok;
}
