/* ledger_list.h - a ledger as a file: first the run's settings, then for each finished input
 * its key, where its lines end in the result, their hash, and "failed" if they report an error:
 *
 *   gromatic ledger 2 {"the command":"detect",...}
 *   KEY SIZE SUM
 *   KEY SIZE SUM failed
 *
 * The hashes show whether a result is the one that the ledger belongs to. */
#ifndef CLI_LEDGER_LIST_H
#define CLI_LEDGER_LIST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { LEDGER_KEY = 64, LEDGER_SUM = 16 };

typedef struct ledger_entry {
  char key[LEDGER_KEY + 1], sum[LEDGER_SUM + 1];
  bool failed, taken;
  uint64_t begin, end; /* the bytes of its lines in the result */
} ledger_entry;

typedef struct ledger_list {
  json_t *run;  /* NULL: no ledger, or a strange one */
  bool strange; /* the file is not a ledger of this version */
  ledger_entry *entries;
  size_t n;
} ledger_list;

/* A missing file is an empty list. Bytes after the last complete entry are ignored: a write
 * that was cut. False with errno if the file cannot be read. */
bool ledger_list_read(ledger_list *list, const char *path);
void ledger_list_free(ledger_list *list);

/* How a result matches a list. */
typedef enum ledger_match {
  LEDGER_ABSENT,  /* there is no result */
  LEDGER_WHOLE,   /* it matches to the last byte */
  LEDGER_LONGER,  /* it matches, and more follows */
  LEDGER_SHORTER, /* it ends too early */
  LEDGER_OTHER    /* it has other bytes, or cannot be read */
} ledger_match;
/* *whole: how many entries, counted from the first, have their lines in the result. */
ledger_match ledger_list_match(const ledger_list *list, const char *path, size_t *whole);

/* The sum of an entry's lines. */
void ledger_sum(const char *bytes, size_t n, char sum[LEDGER_SUM + 1]);
/* Writes an entry's line as ledger_list_read reads it; returns its length. */
enum { LEDGER_MOST = 128 };
int ledger_format(const ledger_entry *entry, char line[LEDGER_MOST]);
/* Writes the run and the entries to a new file and syncs it. False with errno. */
bool ledger_list_write(const char *path, const json_t *run, const ledger_entry *entries,
                       size_t n);

#endif
