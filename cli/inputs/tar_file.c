/* tar_file.c - see tar_file.h. */
#include "tar_file.h"

#include "file_names.h"
#include "terminal.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BLOCK = 1 << 16 };

struct cli_archive {
  struct archive *reader;
  size_t next; /* number of the next entry */
  char *path;
};

bool cli_is_archive(const char *name) {
  static const char *const endings[] = {".tar",     ".tar.gz", ".tgz",
                                        ".tar.bz2", ".tar.xz", ".tar.zst"};
  size_t n = strlen(name);
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    size_t k = strlen(endings[i]);
    if (n > k && strcasecmp(name + n - k, endings[i]) == 0) return true;
  }
  return false;
}

/* Opens the archive at its beginning; false after a message. */
static bool open_reader(cli_archive *a) {
  if (a->reader) archive_read_free(a->reader);
  a->next = 0;
  a->reader = archive_read_new();
  if (!a->reader) {
    cli_error("%s: no memory", a->path);
    return false;
  }
  archive_read_support_format_tar(a->reader);
  archive_read_support_filter_gzip(a->reader);
  archive_read_support_filter_bzip2(a->reader);
  archive_read_support_filter_xz(a->reader);
  archive_read_support_filter_zstd(a->reader);
  if (archive_read_open_filename(a->reader, a->path, BLOCK) == ARCHIVE_OK) return true;
  cli_error("%s: cannot read the archive: %s", a->path, archive_error_string(a->reader));
  return false;
}

cli_archive *cli_archive_open(const char *path) {
  cli_archive *a = calloc(1, sizeof *a);
  if (a) a->path = strdup(path);
  if (a && a->path && open_reader(a)) return a;
  if (!a || !a->path) cli_error("%s: no memory", path);
  cli_archive_close(a);
  return NULL;
}

void cli_archive_close(cli_archive *archive) {
  if (!archive) return;
  if (archive->reader) archive_read_free(archive->reader);
  free(archive->path);
  free(archive);
}

const char *cli_archive_path(const cli_archive *archive) {
  return archive->path;
}

/* Moves to the next entry: 1; at the end 0; -1 if the archive is damaged. */
static int next_entry(cli_archive *a, struct archive_entry **entry) {
  int code = archive_read_next_header(a->reader, entry);
  if (code == ARCHIVE_OK || code == ARCHIVE_WARN) {
    a->next++;
    return 1;
  }
  return code == ARCHIVE_EOF ? 0 : -1;
}

/* ---- listing ---- */

/* A file in the archive, or a link to one. */
typedef struct member {
  char *name;
  char *place;  /* plain_path of the name */
  char *target; /* a link's target, made plain; NULL: a file */
  size_t number;
} member;

typedef struct members {
  member *all;
  size_t n, room;
  member **by_place; /* files and links, sorted */
} members;

/* The path without needless parts, so that each place in the archive has one path. A ".." that
 * leads out of the archive stays, because its target is not in the archive. For free(). */
static char *plain_path(const char *folder, size_t length, const char *path) {
  char *joined = NULL;
  size_t inside = 0; /* how many folders ".." can leave */
  if (asprintf(&joined, "%.*s/%s", path[0] == '/' ? 0 : (int)length, folder, path) < 0)
    return NULL;
  char *to = joined, *rest = joined;
  for (char *part; (part = strsep(&rest, "/"));) {
    if (!*part || strcmp(part, ".") == 0) continue;
    bool up = strcmp(part, "..") == 0;
    if (up && inside > 0) {
      inside--;
      while (to > joined && *--to != '/') continue;
      continue;
    }
    inside += !up;
    size_t n = strlen(part);
    if (to > joined) *to++ = '/';
    memmove(to, part, n);
    to += n;
  }
  *to = 0;
  return joined;
}

/* The name as bytes: the locale may not have its characters, or it may not be Unicode. */
static const char *either(const char *plain, const char *utf8) {
  return plain ? plain : utf8;
}

/* False if memory is short. */
static bool add_member(members *m, struct archive_entry *entry, size_t number) {
  const char *name = either(archive_entry_pathname(entry), archive_entry_pathname_utf8(entry));
  const char *hard = either(archive_entry_hardlink(entry), archive_entry_hardlink_utf8(entry));
  const char *soft = either(archive_entry_symlink(entry), archive_entry_symlink_utf8(entry));
  bool file = archive_entry_filetype(entry) == AE_IFREG;
  if (!name || !(file || hard || soft)) return true;
  if (m->n == m->room) {
    size_t room = m->room ? 2 * m->room : 64;
    member *grown = realloc(m->all, room * sizeof *grown);
    if (!grown) return false;
    m->all = grown;
    m->room = room;
  }
  const char *slash = strrchr(name, '/');
  member *one = &m->all[m->n++];
  *one = (member){strdup(name), plain_path("", 0, name), NULL, number};
  if (hard)
    one->target = plain_path("", 0, hard);
  else if (soft)
    one->target = plain_path(name, slash ? (size_t)(slash - name) : 0, soft);
  return one->name && one->place && (one->target || !(hard || soft));
}

/* Order: by path; of equal paths the later entry comes last. */
static int by_place(const void *a, const void *b) {
  const member *x = *(member *const *)a, *y = *(member *const *)b;
  int order = strcmp(x->place, y->place);
  return order ? order : (x->number > y->number) - (x->number < y->number);
}

static bool sort_members(members *m) {
  m->by_place = malloc((m->n + 1) * sizeof *m->by_place);
  for (size_t i = 0; m->by_place && i < m->n; i++) m->by_place[i] = &m->all[i];
  if (m->by_place) qsort(m->by_place, m->n, sizeof *m->by_place, by_place);
  return m->by_place != NULL;
}

/* The last entry with this path; NULL if there is none. */
static const member *member_at(const members *m, const char *place) {
  size_t low = 0, high = m->n;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (strcmp(m->by_place[middle]->place, place) <= 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low > 0 && strcmp(m->by_place[low - 1]->place, place) == 0 ? m->by_place[low - 1]
                                                                    : NULL;
}

/* The entry that has the bytes: for a link, the file that it leads to. */
static size_t number_of(const members *m, const member *one) {
  enum { MOST_LINKS = 40 };
  for (int i = 0; one && one->target && i < MOST_LINKS; i++) one = member_at(m, one->target);
  return one && !one->target ? one->number : CLI_ARCHIVE_NOWHERE;
}

static void free_members(members *m) {
  for (size_t i = 0; i < m->n; i++) {
    free(m->all[i].name);
    free(m->all[i].place);
    free(m->all[i].target);
  }
  free(m->all);
  free(m->by_place);
}

bool cli_archive_list(const char *path,
                      bool (*found)(void *user, const char *entry, size_t number), void *user) {
  cli_archive *a = cli_archive_open(path);
  if (!a) return false;
  members m = {0};
  struct archive_entry *entry;
  int more;
  bool ok = true;
  while (ok && (more = next_entry(a, &entry)) == 1) ok = add_member(&m, entry, a->next - 1);
  if (ok && more < 0) {
    cli_error("%s: the archive is damaged: %s", path, archive_error_string(a->reader));
    ok = false;
  } else if (!ok || !sort_members(&m)) {
    cli_error("%s: no memory for the names in it", path);
    ok = false;
  }
  for (size_t i = 0; ok && i < m.n; i++) {
    const char *slash = strrchr(m.all[i].name, '/');
    if (cli_is_picture_name(slash ? slash + 1 : m.all[i].name))
      ok = found(user, m.all[i].name, number_of(&m, &m.all[i]));
  }
  free_members(&m);
  cli_archive_close(a);
  return ok;
}

/* ---- reading ---- */

/* Moves to an entry; starts from the beginning if it has been passed. False with errno set. */
static bool go_to(cli_archive *a, size_t number) {
  struct archive_entry *entry;
  int more = 1;
  errno = number == CLI_ARCHIVE_NOWHERE ? ENOLINK : EIO;
  if (number == CLI_ARCHIVE_NOWHERE || (number < a->next && !open_reader(a))) return false;
  while (a->next <= number && more == 1) more = next_entry(a, &entry);
  errno = more == 0 ? ENOENT : EIO;
  return more == 1;
}

void *cli_archive_read(cli_archive *archive, size_t number, size_t limit, size_t *size) {
  if (!go_to(archive, number)) return NULL;
  size_t used = 0, capacity = BLOCK;
  char *bytes = malloc(capacity);
  for (;;) {
    if (bytes && used == capacity) {
      char *grown = realloc(bytes, capacity *= 2);
      if (!grown) free(bytes);
      bytes = grown;
    }
    if (!bytes) {
      errno = ENOMEM;
      return NULL;
    }
    la_ssize_t n = archive_read_data(archive->reader, bytes + used, capacity - used);
    if (n == 0) break;
    used += n > 0 ? (size_t)n : 0;
    if (n < 0 || used > limit) {
      free(bytes);
      errno = n < 0 ? EIO : EFBIG;
      return NULL;
    }
  }
  *size = used;
  return bytes;
}

void cli_archive_key(const char *entry, char *out, size_t size) {
  const char *slash = strrchr(entry, '/'), *base = slash ? slash + 1 : entry;
  size_t length = (size_t)(base - entry) + strcspn(base, ".");
  if (length >= size) length = size - 1;
  memcpy(out, entry, length);
  out[length] = 0;
}
