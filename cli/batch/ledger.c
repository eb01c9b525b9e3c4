/* ledger.c - see ledger.h. */
#include "ledger.h"

#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_LENGTH = 64 };

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

/* Reads the first line, "run HASH"; false where the ledger is of another run. No line, or half
 * of one: nothing was done yet, and *length is 0. */
static bool read_run(FILE *file, const char *run, size_t *length) {
  char line[256] = "", found[KEY_LENGTH + 1] = "";
  *length = 0;
  if (!fgets(line, sizeof line, file) || !strchr(line, '\n')) return true;
  *length = strlen(line);
  return sscanf(line, "run %64s", found) == 1 && strcmp(found, run) == 0;
}

/* Reads the ledger's whole lines; those past the size of the part file do not count. */
static bool read_entries(cli_ledger *ledger, const char *run, uint64_t part_size,
                         uint64_t *list_size) {
  FILE *file = fopen(ledger->list, "re");
  *list_size = 0;
  if (!file) return errno == ENOENT;
  char line[256];
  size_t head;
  (void)read_run(file, run, &head);
  *list_size = head;
  if (head == 0) {
    fclose(file);
    return true;
  }
  bool ok = true;
  while (ok && fgets(line, sizeof line, file)) {
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

/* True where an earlier run of other settings stands in the way; nothing is changed then. */
static bool of_another_run(const cli_ledger *ledger, const char *run) {
  FILE *file = fopen(ledger->list, "re");
  size_t head;
  bool another = file && !read_run(file, run, &head);
  if (file) fclose(file);
  return another;
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
static bool write_run(cli_ledger *ledger, const char *run) {
  struct stat st;
  char line[128];
  if (fstat(ledger->list_fd, &st) != 0) return false;
  if (st.st_size > 0) return true;
  int n = snprintf(line, sizeof line, "run %.64s\n", run);
  return write(ledger->list_fd, line, (size_t)n) == n;
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
static bool drop_failed(cli_ledger *ledger, const char *run) {
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

static bool resume_parts(cli_ledger *ledger, const char *run, bool retry) {
  struct stat st;
  /* A finished run is extended: its file becomes the part again. */
  if (stat(ledger->part, &st) != 0 && stat(ledger->list, &st) == 0 && st.st_size > 0)
    if (rename(ledger->path, ledger->part) != 0 && errno != ENOENT) return false;
  uint64_t part_size = stat(ledger->part, &st) == 0 ? (uint64_t)st.st_size : 0, list_size;
  if (!read_entries(ledger, run, part_size, &list_size)) return false;
  if (part_size && truncate(ledger->part, (off_t)ledger->size) != 0) return false;
  if (ftruncate(ledger->list_fd, (off_t)list_size) != 0 || (retry && !drop_failed(ledger, run)))
    return false;
  if (ledger->n_done) qsort(ledger->done, ledger->n_done, sizeof(entry), by_key);
  return true;
}

cli_ledger *cli_ledger_open(const char *path, const char *run, bool resume, bool retry) {
  cli_ledger *ledger = calloc(1, sizeof *ledger);
  if (!ledger || strlen(path) >= sizeof ledger->path) {
    cli_error("%.60s: cannot open the output: %s", path,
              ledger ? "name too long" : "no memory");
    free(ledger);
    return NULL;
  }
  snprintf(ledger->path, sizeof ledger->path, "%s", path);
  snprintf(ledger->part, sizeof ledger->part, "%s.part", path);
  snprintf(ledger->list, sizeof ledger->list, "%s.ledger", path);
  ledger->part_fd = ledger->list_fd = -1;
  if (resume && of_another_run(ledger, run)) {
    cli_error(
        "%s: --resume: it was begun with another command, model or option; give the same, "
        "or start anew without --resume",
        path);
    free(ledger);
    return NULL;
  }
  enum { FLAGS = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC };
  ledger->list_fd = open(ledger->list, FLAGS, 0666);
  /* Some file systems have no locks: there nobody is kept out. */
  if (ledger->list_fd >= 0 && flock(ledger->list_fd, LOCK_EX | LOCK_NB) != 0 &&
      errno == EWOULDBLOCK) {
    cli_error("%s: another process is writing it; wait for it, or write to another file", path);
    cli_ledger_close(ledger, false, true);
    return NULL;
  }
  bool ok = ledger->list_fd >= 0;
  if (ok) ok = resume ? resume_parts(ledger, run, retry) : ftruncate(ledger->list_fd, 0) == 0;
  if (ok) ledger->part_fd = open(ledger->part, FLAGS | (resume ? 0 : O_TRUNC), 0666);
  if (ledger->part_fd < 0 || !write_run(ledger, run)) {
    cli_error("%s: cannot open the output: %s", path, strerror(errno));
    cli_ledger_close(ledger, false, true);
    return NULL;
  }
  return ledger;
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
