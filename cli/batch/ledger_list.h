/* ledger_list.h - what a ledger says, as a file: first the run's settings, then for each input
 * that is done its key, where its lines end in the result, their sum, and "failed" if they tell
 * an error:
 *
 *   gromatic ledger 2 {"the command":"detect",...}
 *   KEY SIZE SUM
 *   KEY SIZE SUM failed
 *
 * The sums tell whether a result is the one that the ledger belongs to. */
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
  uint64_t begin, end; /* its lines in the result */
} ledger_entry;

typedef struct ledger_list {
  json_t *run;  /* NULL: there is no ledger, or a strange one */
  bool strange; /* a file that is not a ledger of this version */
  ledger_entry *entries;
  size_t n;
} ledger_list;

/* A file that is not there is an empty list. What follows the last whole entry is left
 * out: a write that was cut. False with errno if it cannot be read. */
bool ledger_list_read(ledger_list *list, const char *path);
void ledger_list_free(ledger_list *list);

/* How a result is to a list. */
typedef enum ledger_match {
  LEDGER_ABSENT,  /* there is no result */
  LEDGER_WHOLE,   /* it is what the list tells, to the last byte */
  LEDGER_LONGER,  /* the same, with more after it */
  LEDGER_SHORTER, /* it ends before */
  LEDGER_OTHER    /* other bytes, or it cannot be read */
} ledger_match;
/* *whole: how many entries, from the first, have their lines in it. */
ledger_match ledger_list_match(const ledger_list *list, const char *path, size_t *whole);

/* The sum of an entry's lines. */
void ledger_sum(const char *bytes, size_t n, char sum[LEDGER_SUM + 1]);
/* An entry's line, as ledger_list_read reads it; its length. */
enum { LEDGER_MOST = 128 };
int ledger_format(const ledger_entry *entry, char line[LEDGER_MOST]);
/* Writes the run and the entries to a new file and brings it to disk. False with errno. */
bool ledger_list_write(const char *path, const json_t *run, const ledger_entry *entries,
                       size_t n);

#endif
