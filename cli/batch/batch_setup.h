/* batch_setup.h - all that can be known and opened before the first picture: arguments, inputs,
 * where results go, models, the ledger. What is wrong is said before anything is computed. */
#ifndef CLI_BATCH_SETUP_H
#define CLI_BATCH_SETUP_H

#include "export.h"
#include "inputs.h"
#include "job.h"
#include "ledger.h"
#include "progress.h"
#include "terminal.h"

typedef struct cli_batch {
  cli_job *job;
  gm_model *model; /* NULL if the command works on no scenes */
  gm_model_info info;
  cli_scope scope;                    /* of the default model; else empty */
  char model_hash[65], clip_hash[65]; /* "" where the job has no such model */
  bool lines;                         /* results are JSON lines */
  char *output;                       /* the file of lines; NULL: none */
  cli_ledger *ledger;                 /* of output */
  FILE *kept;                         /* the lines of an export to standard output */
  cli_export export;
  char *export_path;
  cli_inputs inputs;
  bool many;            /* several inputs, or their number is not yet known */
  double (*regions)[4]; /* [n_regions] of --regions */
  size_t n_regions;
  /* of the run: */
  cli_progress progress;
  double began;      /* cli_now */
  size_t done;       /* inputs that are finished */
  size_t skipped;    /* of these, those that an earlier run did */
  size_t undrawn;    /* of these, those whose drawing is missing */
  size_t failed;     /* in this run */
  size_t looked_at;  /* pictures that did not fail */
  size_t found;      /* boxes on them */
  size_t unlike;     /* pictures that are unlike what the model knows */
  char *unlike_name; /* the last one's */
  bool fatal;
} cli_batch;

/* Fills a batch whose job is set. Returns an exit code, after a message if it is not CLI_DONE.
 * Call cli_batch_free in any case. */
int cli_batch_set_up(cli_batch *b, const cli_list *inputs);
void cli_batch_free(cli_batch *b);

#endif
