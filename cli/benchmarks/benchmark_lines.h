/* benchmark_lines.h - a model's answers on disk, so that a run that was stopped goes on: a JSON
 * list a picture, one a line, or for SCORE_CHAT an object a question; --predictions takes them
 * too. */
#ifndef CLI_BENCHMARK_LINES_H
#define CLI_BENCHMARK_LINES_H

#include "arguments.h"
#include "ledger.h"
#include "score_answers.h"

/* What the answers refer to. */
typedef struct benchmark_ids {
  score_kind kind;
  gm_name_table *entries, *categories; /* as score_answers_read takes them */
  size_t n_entries, n_categories;
  const char **labels; /* [n_entries] SCORE_CHAT: the questions' categories */
  const char *sums[3]; /* SHA-256 of the annotations, refs and absent phrases; "": none */
} benchmark_ids;

/* Opens -o FILE, with --resume the one of an earlier run whose settings are the same, and reads
 * what that one has. *out is NULL without -o. clip_sha256: "" without a CLIP; adapters:
 * cli_adapter_settings, which is taken over; kernels: the instruction set. Returns an exit
 * code, after a message if it is not CLI_DONE. */
int benchmark_lines_open(cli_ledger **out, score_answers *answers, const cli_args *args,
                         const benchmark_ids *ids, const char *model_sha256,
                         const char *clip_sha256, json_t *adapters, const char *kernels);
/* Writes the answers from number `first` on as a line under this key. False after a message. */
bool benchmark_lines_add(cli_ledger *ledger, const char *key, const score_answers *answers,
                         size_t first, const benchmark_ids *ids);

#endif
