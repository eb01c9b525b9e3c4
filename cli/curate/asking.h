/* asking.h - asks a model behind an endpoint about each picture, and keeps what it replied in a
 * file: a reply that is paid for is on disk before the next question goes out. */
#ifndef CLI_ASKING_H
#define CLI_ASKING_H

#include "arguments.h"
#include "curate_set.h"

typedef struct curate_asking {
  const cli_args *args;
  curate_set *set;
  const char *folder, *instructions; /* of the pictures; for the model */
  char *replies; /* the file: "instruct.jsonl" -> "instruct-replies.jsonl" */
} curate_asking;

/* Sets replies, for free(). False after a message. */
bool curate_asking_begin(curate_asking *out, const cli_args *args, curate_set *set,
                         const char *folder, const char *instructions);

/* Says on stderr how many questions there are, the tokens that they take at the most, and the
 * time at the rate given. */
void curate_asking_estimate(const curate_asking *asking);

/* Asks what is not in the file yet. *whole: all replies are there, or the budget is used up:
 * the file can be read. Returns an exit code, after a message if it is not CLI_DONE. */
int curate_ask_all(const curate_asking *asking, bool *whole);

#endif
