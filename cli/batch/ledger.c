/* ledger.c - see ledger.h. */
#include "ledger.h"

#include "arguments.h"
#include "file_names.h"
#include "ledger_list.h"
#include "lock_file.h"
#include "run_settings.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The result, the run in progress, and its replacement. */
enum { RESULT, LIST, PART, PART_LIST, NEW_PART, NEW_LIST, LOCK, N_NAMES };
static const char *const endings[N_NAMES] = {
    "", ".ledger", ".part", ".part.ledger", ".part.new", ".part.ledger.new", ".lock"};

/* A ledger that was found, and how it matches its file. */
typedef struct earlier {
  ledger_list list;
  ledger_match match;
  size_t whole; /* entries whose lines exist */
} earlier;

struct cli_ledger {
  char *names[N_NAMES];
  ledger_wish wish;
  earlier finished, stopped;
  int lock, part_fd, list_fd;
  uint64_t size;
  ledger_entry *done; /* sorted by key */
  size_t n_done;
};

/* ---- files of earlier runs ---- */

static bool has_content(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && st.st_size > 0;
}

static bool look(earlier *e, const char *list, const char *file) {
  ledger_list_free(&e->list);
  if (!ledger_list_read(&e->list, list)) return false;
  e->match = ledger_list_match(&e->list, file, &e->whole);
  return true;
}

static bool sync_folder(const cli_ledger *l) {
  char *copy = strdup(l->names[RESULT]);
  int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  free(copy);
  /* Some file systems cannot do it, and some users may not read the folder. */
  if (fd < 0) return copy != NULL;
  bool ok = fsync(fd) == 0 || errno == EINVAL || errno == EROFS;
  close(fd);
  return ok;
}

static bool give_name(const cli_ledger *l, int from, int to) {
  return rename(l->names[from], l->names[to]) == 0 && sync_folder(l);
}

/* Completes what a killed process was doing. The ledger decides: a part that was written for it
 * gets its name, and a result that matches it gets it as its ledger. */
static bool recover(cli_ledger *l) {
  earlier next = {.match = LEDGER_ABSENT};
  unlink(l->names[NEW_LIST]);
  if (!look(&next, l->names[PART_LIST], l->names[NEW_PART])) return false;
  bool whole = next.list.run && next.match == LEDGER_WHOLE;
  ledger_list_free(&next.list);
  if (whole && !give_name(l, NEW_PART, PART)) return false;
  if (!whole) unlink(l->names[NEW_PART]);
  if (!look(&l->stopped, l->names[PART_LIST], l->names[PART])) return false;
  const earlier *s = &l->stopped;
  size_t n;
  if (s->match != LEDGER_ABSENT || s->list.n == 0 ||
      ledger_list_match(&s->list, l->names[RESULT], &n) != LEDGER_WHOLE)
    return true;
  return give_name(l, PART_LIST, LIST) &&
         look(&l->stopped, l->names[PART_LIST], l->names[PART]);
}

static bool is_finished(const cli_ledger *l) {
  return l->finished.list.n > 0 && l->finished.match == LEDGER_WHOLE;
}

bool cli_ledger_is_finished(const cli_ledger *ledger) {
  return is_finished(ledger);
}

/* ---- what may be done ---- */

/* False, after a message, if the lines of a stopped run cannot be continued or would be lost.
 */
static bool may_use_part(const cli_ledger *l) {
  const earlier *s = &l->stopped;
  const char *part = l->names[PART], *list = l->names[PART_LIST];
  if (s->list.strange || (!s->list.run && has_content(part)))
    cli_error("%s: it has no ledger of this version (%s); --force starts again without it",
              part, list);
  else if (s->list.run && s->match == LEDGER_OTHER)
    cli_error("%s: it was changed since its ledger (%s) was written; --force starts again "
              "without it",
              part, list);
  else if (l->wish.resume && s->list.n > 0 && s->whole == 0)
    cli_error("%s: the lines of %zu input%s are gone that its ledger (%s) lists; --force "
              "starts again",
              part, s->list.n, s->list.n == 1 ? "" : "s", list);
  else if (!l->wish.resume && s->whole > 0)
    cli_error("%s: an earlier run stopped after %zu input%s; go on with --resume, or start "
              "again with --force",
              l->names[RESULT], s->whole, s->whole == 1 ? "" : "s");
  else
    return true;
  return false;
}

static bool may_replace(const cli_ledger *l) {
  const char *path = l->names[RESULT], *list = l->names[LIST];
  if (is_finished(l) || !has_content(path)) return true;
  if (l->finished.list.run)
    cli_error("%s: it was changed since its ledger (%s) was written, and would be lost; give "
              "another name, or replace it with --force",
              path, list);
  else
    cli_error("%s: it has no ledger that says how it was made (%s), and would be lost; give "
              "another name, or replace it with --force",
              path, list);
  return false;
}

/* Whether a run with other settings may be continued; false after a message. */
static bool may_go_on(const cli_ledger *l, const earlier *from, json_t *run) {
  bool limits, failed = false;
  if (json_equal(from->list.run, run)) return true;
  char *changed = cli_settings_difference(from->list.run, run, &limits);
  for (size_t i = 0; i < from->whole; i++) failed = failed || from->list.entries[i].failed;
  /* Limits only decide which inputs fail. So with other limits only the failed inputs may
   * differ. */
  bool may = limits && (!failed || l->wish.retry);
  if (!may)
    cli_error("%s: --resume: it was begun with %s; %s", l->names[RESULT],
              changed ? changed : "other settings",
              l->wish.force ? "starting again, as --force says"
              : limits
                  ? "--retry-errors tries the failed inputs again"
                  : "give the same, or write to another file, or start again with --force");
  free(changed);
  return may;
}

/* ---- beginning ---- */

static bool copy_bytes(FILE *to, FILE *from, uint64_t begin, uint64_t end) {
  char buffer[1 << 14];
  if (fseeko(from, (off_t)begin, SEEK_SET) != 0) return false;
  while (begin < end) {
    size_t n = end - begin < sizeof buffer ? (size_t)(end - begin) : sizeof buffer;
    if (fread(buffer, 1, n, from) != n || fwrite(buffer, 1, n, to) != n) return false;
    begin += n;
  }
  return true;
}

/* Copies the lines of l->done, and sets their places in the new file. */
static bool copy_lines(cli_ledger *l, const char *source) {
  FILE *from = source ? fopen(source, "re") : NULL;
  FILE *to = fopen(l->names[NEW_PART], "we");
  bool ok = to && (from || !source);
  /* The new file has the same readers as the file that it replaces. */
  struct stat st;
  if (to && stat(l->names[RESULT], &st) == 0) (void)fchmod(fileno(to), st.st_mode & 0777);
  for (size_t i = 0; ok && i < l->n_done; i++) {
    ledger_entry *e = &l->done[i];
    uint64_t n = e->end - e->begin;
    ok = copy_bytes(to, from, e->begin, e->end);
    e->begin = l->size;
    e->end = l->size += n;
  }
  ok = ok && fflush(to) == 0 && fsync(fileno(to)) == 0;
  int code = errno;
  if (from) fclose(from);
  if (to && fclose(to) != 0 && ok) ok = false, code = errno;
  errno = code;
  return ok;
}

static bool keep_entries(cli_ledger *l, const earlier *from) {
  size_t failed = 0;
  l->done = calloc(from->whole + 1, sizeof *l->done);
  if (!l->done) return false;
  for (size_t i = 0; i < from->whole; i++) {
    const ledger_entry *e = &from->list.entries[i];
    failed += e->failed;
    if (!e->failed || !l->wish.retry) l->done[l->n_done++] = *e;
  }
  if (failed && !l->wish.retry)
    cli_error("%s: %zu input%s failed before and will not be tried again without "
              "--retry-errors",
              l->names[RESULT], failed, failed == 1 ? "" : "s");
  if (from->whole < from->list.n)
    cli_error("%s: lines are missing at its end, %zu of %zu inputs are there; the others are "
              "done again",
              l->names[PART], from->whole, from->list.n);
  return true;
}

static int by_key(const void *a, const void *b) {
  return strcmp(((const ledger_entry *)a)->key, ((const ledger_entry *)b)->key);
}

/* The new ledger counts from the moment it has its name. If this process is killed right after
 * that, recover renames the lines. */
static bool start_parts(cli_ledger *l, const json_t *run, const char *source) {
  enum { APPEND = O_WRONLY | O_APPEND | O_CLOEXEC };
  if (!copy_lines(l, source) ||
      !ledger_list_write(l->names[NEW_LIST], run, l->done, l->n_done) || !sync_folder(l) ||
      !give_name(l, NEW_LIST, PART_LIST) || !give_name(l, NEW_PART, PART))
    return false;
  if (l->n_done) qsort(l->done, l->n_done, sizeof *l->done, by_key);
  l->part_fd = open(l->names[PART], APPEND);
  l->list_fd = open(l->names[PART_LIST], APPEND);
  return l->part_fd >= 0 && l->list_fd >= 0;
}

static int cannot_open(const char *path) {
  cli_error("%s: cannot open the output: %s", path, strerror(errno));
  return CLI_SOME_FAILED;
}

int cli_ledger_begin(cli_ledger *l, json_t *run) {
  const earlier none = {.match = LEDGER_ABSENT}, *from = &none;
  /* A run that was stopped before its first line has nothing to continue. */
  if (l->wish.resume && l->stopped.whole > 0 && l->stopped.match != LEDGER_OTHER)
    from = &l->stopped;
  else if (l->wish.resume && is_finished(l))
    from = &l->finished;
  if (from != &none && !may_go_on(l, from, run)) {
    if (!l->wish.force) return CLI_USAGE;
    from = &none;
  }
  const char *source = from == &none         ? NULL
                       : from == &l->stopped ? l->names[PART]
                                             : l->names[RESULT];
  bool ok = keep_entries(l, from) && start_parts(l, run, source);
  return ok ? CLI_DONE : cannot_open(l->names[RESULT]);
}

static bool is_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The beginning of the names beside a file: the file's own name, or, if that leaves no room for
 * the endings, its first characters and a hash. NULL if memory is short. */
static char *stem_of(const char *path) {
  enum { LONGEST = 255, ENDING = 20, SUM = 8 };
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  size_t n = strlen(name);
  char sum[65], *stem = NULL;
  if (n + ENDING <= LONGEST) return strdup(path);
  gm_sha256(name, n, sum);
  n = LONGEST - ENDING - SUM - 1;
  while (n > 0 && ((unsigned char)name[n] & 0xC0) == 0x80) n--;
  int length = asprintf(&stem, "%.*s-%.*s", (int)(name - path + (ptrdiff_t)n), path, SUM, sum);
  return length < 0 ? NULL : stem;
}

/* Makes the names beside path. A symbolic link stays a link. */
static bool make_names(cli_ledger *l, const char *path) {
  char *real = cli_real_name(path), *stem = real ? stem_of(real) : NULL;
  bool ok = stem != NULL;
  for (int i = 0; ok && i < N_NAMES; i++)
    if (asprintf(&l->names[i], "%s%s", i == RESULT ? real : stem, endings[i]) < 0) {
      l->names[i] = NULL;
      ok = false;
    }
  free(real);
  free(stem);
  return ok;
}

int cli_ledger_open(const char *path, ledger_wish wish, cli_ledger **out) {
  *out = NULL;
  cli_ledger *l = calloc(1, sizeof *l);
  if (!l) return cannot_open(path);
  l->wish = wish;
  l->lock = l->part_fd = l->list_fd = -1;
  int code = CLI_DONE;
  if (is_folder(path)) {
    cli_error("-o %s: found a folder, wanted the name of a file for JSON lines", path);
    code = CLI_USAGE;
  } else if (!make_names(l, path) || (l->lock = cli_lock_take(l->names[LOCK])) < 0) {
    if (errno == EWOULDBLOCK) {
      cli_error("%s: another process is writing it; wait for it, or write to another file",
                path);
      code = CLI_SOME_FAILED;
    } else {
      code = cannot_open(path);
    }
  }
  if (code == CLI_DONE &&
      (!recover(l) || !look(&l->finished, l->names[LIST], l->names[RESULT])))
    code = cannot_open(path);
  if (code == CLI_DONE && !wish.force && (!may_use_part(l) || !may_replace(l)))
    code = CLI_USAGE;
  if (code == CLI_DONE)
    *out = l;
  else
    cli_ledger_close(l);
  return code;
}

/* ---- the run ---- */

bool cli_ledger_take(cli_ledger *l, const char *key, bool *failed) {
  size_t low = 0, high = l->n_done;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (strcmp(l->done[middle].key, key) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low < l->n_done && strcmp(l->done[low].key, key) == 0; low++)
    if (!l->done[low].taken) {
      *failed = l->done[low].failed;
      return l->done[low].taken = true;
    }
  return false;
}

static bool write_all(int fd, const char *bytes, size_t n) {
  while (n > 0) {
    ssize_t done = write(fd, bytes, n);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    bytes += done;
    n -= (size_t)done;
  }
  return true;
}

bool cli_ledger_write(cli_ledger *l, const char *key, const char *line, bool failed) {
  char *text = NULL, note[LEDGER_MOST];
  int n = asprintf(&text, "%s\n", line);
  bool ok = n > 0 && strlen(key) == LEDGER_KEY;
  if (ok) {
    ledger_entry entry = {.failed = failed, .end = l->size += (uint64_t)n};
    snprintf(entry.key, sizeof entry.key, "%s", key);
    ledger_sum(text, (size_t)n, entry.sum);
    size_t length = (size_t)ledger_format(&entry, note);
    ok = write_all(l->part_fd, text, (size_t)n) && fdatasync(l->part_fd) == 0 &&
         write_all(l->list_fd, note, length) && fdatasync(l->list_fd) == 0;
  }
  if (n >= 0) free(text);
  if (!ok) cli_error("%s: cannot write: %s", l->names[PART], strerror(errno));
  return ok;
}

bool cli_ledger_finish(cli_ledger *l) {
  /* Another program may have created or changed the file during the run. */
  if (!look(&l->finished, l->names[LIST], l->names[RESULT])) {
    cli_error("%s: cannot read: %s", l->names[LIST], strerror(errno));
    return false;
  }
  if (!l->wish.force && !may_replace(l)) return false;
  bool ok = give_name(l, PART, RESULT) && give_name(l, PART_LIST, LIST);
  if (!ok)
    cli_error("%s: cannot rename to %s: %s", l->names[PART], l->names[RESULT], strerror(errno));
  return ok;
}

void cli_ledger_close(cli_ledger *l) {
  if (!l) return;
  if (l->part_fd >= 0) close(l->part_fd);
  if (l->list_fd >= 0) close(l->list_fd);
  cli_lock_release(l->lock, l->names[LOCK]);
  ledger_list_free(&l->finished.list);
  ledger_list_free(&l->stopped.list);
  for (int i = 0; i < N_NAMES; i++) free(l->names[i]);
  free(l->done);
  free(l);
}
