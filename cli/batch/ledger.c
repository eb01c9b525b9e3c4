/* ledger.c - see ledger.h. */
#include "ledger.h"

#include "arguments.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_LENGTH = 64, FLAGS = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC };

typedef struct entry {
  char key[KEY_LENGTH + 1];
  bool taken, failed;
  uint64_t begin, end; /* its lines in the part file */
} entry;

struct cli_ledger {
  char path[4096], part[4104], list[4104];
  int part_fd, list_fd;
  uint64_t size;
  entry *done; /* sorted by key */
  size_t n_done;
};

static int by_key(const void *a, const void *b) {
  return strcmp(((const entry *)a)->key, ((const entry *)b)->key);
}

/* Reads the first line, "run JSON". No line, or half of one: NULL, nothing was done yet, and
 * *length is 0. A line of another form: NULL. */
static json_t *read_run(FILE *file, size_t *length) {
  char *line = NULL;
  size_t capacity = 0;
  ssize_t n = getline(&line, &capacity, file);
  json_t *run = NULL;
  *length = n > 0 && line[n - 1] == '\n' ? (size_t)n : 0;
  if (*length && strncmp(line, "run ", 4) == 0) run = json_loads(line + 4, 0, NULL);
  free(line);
  return run;
}

/* Reads the ledger's run, NULL where there is none, and its whole lines; those past the size of
 * the part file do not count. */
static bool read_ledger(cli_ledger *ledger, uint64_t part_size, json_t **run,
                        uint64_t *list_size) {
  FILE *file = fopen(ledger->list, "re");
  *list_size = 0;
  *run = NULL;
  if (!file) return errno == ENOENT;
  char line[256];
  size_t head;
  *run = read_run(file, &head);
  *list_size = head;
  bool ok = true;
  while (ok && head > 0 && fgets(line, sizeof line, file)) {
    char key[KEY_LENGTH + 1];
    unsigned long long size;
    char failed[8] = "";
    size_t length = strlen(line);
    if (length == 0 || line[length - 1] != '\n' ||
        sscanf(line, "%64s %llu %7s", key, &size, failed) < 2 || strlen(key) != KEY_LENGTH ||
        size > part_size || size <= ledger->size)
      break;
    entry *grown = realloc(ledger->done, (ledger->n_done + 1) * sizeof *grown);
    ok = grown != NULL;
    if (!ok) break;
    ledger->done = grown;
    entry *e = &grown[ledger->n_done++];
    *e = (entry){.failed = strcmp(failed, "failed") == 0, .begin = ledger->size, .end = size};
    memcpy(e->key, key, sizeof key);
    ledger->size = size;
    *list_size += length;
  }
  fclose(file);
  return ok;
}

/* A value as a person reads it. */
static void put_value(FILE *out, const json_t *value) {
  enum { LONGEST = 80 };
  char *text = json_is_null(value) || !value
                   ? NULL
                   : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10));
  fprintf(out, text ? "%.*s%s" : "not given", LONGEST, text ? text : "",
          text && strlen(text) > LONGEST ? "..." : "");
  free(text);
}

/* "--conf 0.3, now 0.5; ...", or NULL where all is the same. */
static char *difference(json_t *before, json_t *now) {
  char *text = NULL;
  size_t size;
  const char *name;
  json_t *value;
  bool same = true;
  FILE *out = open_memstream(&text, &size);
  if (!out) return NULL;
  json_object_foreach(now, name, value) {
    const json_t *earlier = json_object_get(before, name);
    if (json_equal(earlier, value)) continue;
    fprintf(out, "%s%s ", same ? "" : "; ", name);
    put_value(out, earlier);
    fputs(", now ", out);
    put_value(out, value);
    same = false;
  }
  fclose(out);
  if (!same) return text;
  free(text);
  return NULL;
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

/* A fresh ledger says first of which run it is. */
static bool write_run(cli_ledger *ledger, json_t *run) {
  struct stat st;
  if (fstat(ledger->list_fd, &st) != 0) return false;
  if (st.st_size > 0) return true;
  char *line = NULL, *text = json_dumps(run, JSON_COMPACT);
  int n = text ? asprintf(&line, "run %s\n", text) : -1;
  bool ok = n > 0 && write_all(ledger->list_fd, line, (size_t)n);
  if (n >= 0) free(line);
  free(text);
  return ok;
}

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

/* The lines that are no failures, in a file of their own; entries without a line are dropped.
 */
static bool write_without_failed(cli_ledger *ledger, const char *path) {
  FILE *from = fopen(ledger->part, "re"), *to = fopen(path, "we");
  bool ok = from && to;
  size_t kept = 0;
  ledger->size = 0;
  for (size_t i = 0; ok && i < ledger->n_done; i++) {
    entry e = ledger->done[i];
    if (e.failed) continue;
    ok = copy_bytes(to, from, e.begin, e.end);
    ledger->size += e.end - e.begin;
    e.end = ledger->size;
    ledger->done[kept++] = e;
  }
  ledger->n_done = kept;
  if (from) fclose(from);
  if (to) {
    ok = ok && fflush(to) == 0 && fdatasync(fileno(to)) == 0;
    ok = fclose(to) == 0 && ok;
  }
  return ok;
}

static bool write_note(const cli_ledger *ledger, const char *key, uint64_t size, bool failed) {
  char note[128];
  int n = snprintf(note, sizeof note, "%.64s %llu%s\n", key, (unsigned long long)size,
                   failed ? " failed" : "");
  return write_all(ledger->list_fd, note, (size_t)n);
}

/* Killed in between, there is less in the ledger than in the file, never more. */
static bool drop_failed(cli_ledger *ledger, json_t *run) {
  char path[sizeof ledger->part + 4];
  bool any = false;
  for (size_t i = 0; i < ledger->n_done; i++) any = any || ledger->done[i].failed;
  if (!any) return true;
  snprintf(path, sizeof path, "%s.new", ledger->part);
  bool ok = write_without_failed(ledger, path) && ftruncate(ledger->list_fd, 0) == 0 &&
            fdatasync(ledger->list_fd) == 0 && rename(path, ledger->part) == 0 &&
            write_run(ledger, run);
  for (size_t i = 0; ok && i < ledger->n_done; i++)
    ok = write_note(ledger, ledger->done[i].key, ledger->done[i].end, false);
  if (!ok) unlink(path);
  return ok;
}

/* Takes up the lines that read_ledger has found. */
static bool resume_parts(cli_ledger *ledger, json_t *run, bool retry, uint64_t part_size,
                         uint64_t list_size) {
  if (part_size && truncate(ledger->part, (off_t)ledger->size) != 0) return false;
  if (ftruncate(ledger->list_fd, (off_t)list_size) != 0 || (retry && !drop_failed(ledger, run)))
    return false;
  size_t failed = 0;
  for (size_t i = 0; i < ledger->n_done; i++) failed += ledger->done[i].failed;
  if (failed)
    cli_error(
        "%s: %zu input%s failed before and will not be tried again without --retry-errors",
        ledger->path, failed, failed == 1 ? "" : "s");
  if (ledger->n_done) qsort(ledger->done, ledger->n_done, sizeof(entry), by_key);
  return true;
}

static bool start_parts(cli_ledger *ledger) {
  ledger->n_done = 0;
  ledger->size = 0;
  if (ftruncate(ledger->list_fd, 0) != 0) return false;
  return truncate(ledger->part, 0) == 0 || errno == ENOENT;
}

/* Whether this run may go on from the earlier one, or begin although it is there; false after a
 * message. */
static bool may_begin(const cli_ledger *ledger, json_t *before, json_t *now, bool resume,
                      bool stopped) {
  if (!resume && (!stopped || ledger->n_done == 0)) return true;
  if (!resume) {
    cli_error("%s: an earlier run stopped after %zu input%s; go on with --resume, or remove %s "
              "to start anew",
              ledger->path, ledger->n_done, ledger->n_done == 1 ? "" : "s", ledger->part);
    return false;
  }
  if (!before && ledger->n_done > 0) {
    cli_error("%s: --resume: it was begun by another version; write to another file",
              ledger->path);
    return false;
  }
  char *changed = before ? difference(before, now) : NULL;
  if (!changed) return true;
  cli_error("%s: --resume: it was begun with %s; give the same, or write to another file",
            ledger->path, changed);
  free(changed);
  return false;
}

static int begin(cli_ledger *ledger, json_t *run, bool resume, bool retry) {
  struct stat st;
  uint64_t list_size;
  json_t *before;
  bool stopped = stat(ledger->part, &st) == 0 && st.st_size > 0;
  /* A finished run is extended: its file becomes the part again. */
  bool finished =
      resume && stat(ledger->part, &st) != 0 && stat(ledger->list, &st) == 0 && st.st_size > 0;
  uint64_t part_size =
      stat(finished ? ledger->path : ledger->part, &st) == 0 ? (uint64_t)st.st_size : 0;
  bool ok = read_ledger(ledger, part_size, &before, &list_size);
  bool may = !ok || may_begin(ledger, before, run, resume, stopped);
  json_decref(before);
  if (!may) return CLI_USAGE;
  if (ok && finished) ok = rename(ledger->path, ledger->part) == 0 || errno == ENOENT;
  if (ok)
    ok = resume ? resume_parts(ledger, run, retry, part_size, list_size) : start_parts(ledger);
  if (ok) ledger->part_fd = open(ledger->part, FLAGS, 0666);
  if (ledger->part_fd >= 0 && write_run(ledger, run)) return CLI_DONE;
  cli_error("%s: cannot open the output: %s", ledger->path, strerror(errno));
  return CLI_SOME_FAILED;
}

int cli_ledger_open(const char *path, json_t *run, bool resume, bool retry, cli_ledger **out) {
  *out = NULL;
  cli_ledger *ledger = calloc(1, sizeof *ledger);
  if (!ledger || strlen(path) >= sizeof ledger->path) {
    cli_error("%.60s: cannot open the output: %s", path,
              ledger ? "name too long" : "no memory");
    free(ledger);
    return CLI_SOME_FAILED;
  }
  snprintf(ledger->path, sizeof ledger->path, "%s", path);
  snprintf(ledger->part, sizeof ledger->part, "%s.part", path);
  snprintf(ledger->list, sizeof ledger->list, "%s.ledger", path);
  ledger->part_fd = -1;
  ledger->list_fd = open(ledger->list, FLAGS, 0666);
  int code = CLI_SOME_FAILED;
  /* Some file systems have no locks: there nobody is kept out. */
  if (ledger->list_fd < 0)
    cli_error("%s: cannot open the output: %s", path, strerror(errno));
  else if (flock(ledger->list_fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    cli_error("%s: another process is writing it; wait for it, or write to another file", path);
  else
    code = begin(ledger, run, resume, retry);
  if (code == CLI_DONE)
    *out = ledger;
  else
    cli_ledger_close(ledger, false, true);
  return code;
}

bool cli_ledger_take(cli_ledger *ledger, const char *key) {
  size_t low = 0, high = ledger->n_done;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (strcmp(ledger->done[middle].key, key) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low < ledger->n_done && strcmp(ledger->done[low].key, key) == 0; low++)
    if (!ledger->done[low].taken) return ledger->done[low].taken = true;
  return false;
}

bool cli_ledger_write(cli_ledger *ledger, const char *key, const char *line, bool failed) {
  size_t length = strlen(line);
  uint64_t size = ledger->size + length + 1;
  bool ok = write_all(ledger->part_fd, line, length) && write_all(ledger->part_fd, "\n", 1) &&
            fdatasync(ledger->part_fd) == 0 && write_note(ledger, key, size, failed) &&
            fdatasync(ledger->list_fd) == 0;
  ledger->size = size;
  if (!ok) cli_error("%s: cannot write: %s", ledger->part, strerror(errno));
  return ok;
}

bool cli_ledger_close(cli_ledger *ledger, bool complete, bool keep) {
  if (!ledger) return true;
  bool ok = true;
  if (ledger->part_fd >= 0) ok = close(ledger->part_fd) == 0;
  if (complete && ok && rename(ledger->part, ledger->path) != 0) {
    cli_error("%s: cannot rename to %s: %s", ledger->part, ledger->path, strerror(errno));
    ok = false;
  }
  if (complete && ok && !keep) unlink(ledger->list);
  /* The lock goes last: who has it may empty the part. */
  if (ledger->list_fd >= 0) ok = close(ledger->list_fd) == 0 && ok;
  free(ledger->done);
  free(ledger);
  return ok;
}
