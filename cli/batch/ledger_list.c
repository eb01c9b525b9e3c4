/* ledger_list.c - see ledger_list.h. */
#include "ledger_list.h"

#include "gromatic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char head[] = "gromatic ledger 2 ";

void ledger_sum(const char *bytes, size_t n, char sum[LEDGER_SUM + 1]) {
  char whole[65];
  gm_sha256(bytes, n, whole);
  memcpy(sum, whole, LEDGER_SUM);
  sum[LEDGER_SUM] = 0;
}

/* ---- reading ---- */

static void read_run(ledger_list *list, FILE *file) {
  char *line = NULL;
  size_t capacity = 0;
  ssize_t n = getline(&line, &capacity, file);
  bool whole = n > 0 && line[n - 1] == '\n' && strncmp(line, head, strlen(head)) == 0;
  if (whole) list->run = json_loads(line + strlen(head), 0, NULL);
  list->strange = n > 0 && !list->run;
  free(line);
}

/* False if the line is not an entry, for example because it was cut. */
static bool parse_entry(const char *line, uint64_t begin, ledger_entry *out) {
  char failed[8] = "";
  int fields = sscanf(line, "%64s %" SCNu64 " %16s %7s", out->key, &out->end, out->sum, failed);
  out->begin = begin;
  out->failed = fields == 4 && strcmp(failed, "failed") == 0;
  return line[0] && line[strlen(line) - 1] == '\n' && (fields == 3 || out->failed) &&
         strlen(out->key) == LEDGER_KEY && strlen(out->sum) == LEDGER_SUM && out->end > begin;
}

bool ledger_list_read(ledger_list *list, const char *path) {
  *list = (ledger_list){0};
  FILE *file = fopen(path, "re");
  if (!file) return errno == ENOENT;
  char line[LEDGER_MOST];
  size_t capacity = 0;
  uint64_t end = 0;
  bool ok = true;
  read_run(list, file);
  while (ok && list->run && fgets(line, sizeof line, file)) {
    ledger_entry entry = {.taken = false};
    if (!parse_entry(line, end, &entry)) break;
    if (list->n == capacity) {
      capacity = capacity ? 2 * capacity : 64;
      ledger_entry *grown = realloc(list->entries, capacity * sizeof *grown);
      ok = grown != NULL;
      if (!ok) break;
      list->entries = grown;
    }
    list->entries[list->n++] = entry;
    end = entry.end;
  }
  ok = ok && !ferror(file);
  int code = errno;
  fclose(file);
  errno = code;
  return ok;
}

void ledger_list_free(ledger_list *list) {
  json_decref(list->run);
  free(list->entries);
  *list = (ledger_list){0};
}

/* ---- comparing with a result ---- */

/* Reads the next entry's lines; *buffer grows. */
static bool has_lines(const ledger_entry *entry, FILE *file, char **buffer, size_t *capacity) {
  char sum[LEDGER_SUM + 1];
  size_t n = (size_t)(entry->end - entry->begin);
  if (n > *capacity) {
    char *grown = realloc(*buffer, n);
    if (!grown) return false;
    *buffer = grown;
    *capacity = n;
  }
  if (fread(*buffer, 1, n, file) != n) return false;
  ledger_sum(*buffer, n, sum);
  return strcmp(sum, entry->sum) == 0;
}

ledger_match ledger_list_match(const ledger_list *list, const char *path, size_t *whole) {
  struct stat st;
  char *buffer = NULL;
  size_t capacity = 0;
  *whole = 0;
  FILE *file = fopen(path, "re");
  if (!file) return errno == ENOENT ? LEDGER_ABSENT : LEDGER_OTHER;
  if (fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode)) {
    fclose(file);
    return LEDGER_OTHER;
  }
  uint64_t size = (uint64_t)st.st_size, end = list->n ? list->entries[list->n - 1].end : 0;
  bool same = true;
  while (*whole < list->n && list->entries[*whole].end <= size) {
    same = has_lines(&list->entries[*whole], file, &buffer, &capacity);
    if (!same) break;
    ++*whole;
  }
  free(buffer);
  fclose(file);
  return !same         ? LEDGER_OTHER
         : size == end ? LEDGER_WHOLE
         : size > end  ? LEDGER_LONGER
                       : LEDGER_SHORTER;
}

/* ---- writing ---- */

int ledger_format(const ledger_entry *entry, char line[LEDGER_MOST]) {
  return snprintf(line, LEDGER_MOST, "%.64s %" PRIu64 " %.16s%s\n", entry->key, entry->end,
                  entry->sum, entry->failed ? " failed" : "");
}

bool ledger_list_write(const char *path, const json_t *run, const ledger_entry *entries,
                       size_t n) {
  FILE *file = fopen(path, "we");
  if (!file) return false;
  char line[LEDGER_MOST];
  bool ok = fputs(head, file) >= 0 && json_dumpf(run, file, JSON_COMPACT) == 0 &&
            fputc('\n', file) != EOF;
  for (size_t i = 0; ok && i < n; i++) {
    ledger_format(&entries[i], line);
    ok = fputs(line, file) >= 0;
  }
  ok = ok && fflush(file) == 0 && fsync(fileno(file)) == 0;
  int code = errno;
  if (fclose(file) != 0 && ok) ok = false, code = errno;
  errno = code;
  return ok;
}
