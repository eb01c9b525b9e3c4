/* run_folder.h - the folder of a run:
 *
 *   config.json   all that decides what the run computes
 *   results.csv   a row an evaluation      results.png  the same as curves
 *   log.jsonl     a line an update, an evaluation
 *   train_batch0.png, val_pred.png
 *   best.gguf, last.gguf   models
 *   last.state    from which the run goes on
 *
 * results.csv and log.jsonl grow; all else is replaced as a whole. A state knows how long both
 * were, so that a run that goes on cuts off what came after it. One process at a time. */
#ifndef GM_RUN_FOLDER_H
#define GM_RUN_FOLDER_H

#include "status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum gm_run_file {
  GM_RUN_CONFIG,
  GM_RUN_RESULTS,
  GM_RUN_CHART,
  GM_RUN_LOG,
  GM_RUN_BATCH,
  GM_RUN_PREDICTIONS,
  GM_RUN_BEST,
  GM_RUN_LAST,
  GM_RUN_STATE,
  GM_RUN_FILES
} gm_run_file;

typedef enum gm_run_list { GM_LIST_RESULTS, GM_LIST_LOG, GM_RUN_LISTS } gm_run_list;

typedef struct gm_run_folder {
  char *paths[GM_RUN_FILES];
  int lists[GM_RUN_LISTS]; /* open for appending; the log is locked */
  uint64_t lengths[GM_RUN_LISTS];
} gm_run_folder;

/* Makes the folder, or takes one that has no run; with resume one that has. Free with
 * gm_run_folder_close, after a failure too. Errors: GM_ERR_ARGUMENT (another run, or none to go
 * on with, or one that is at work), GM_ERR_IO, GM_ERR_MEMORY. */
gm_status gm_run_folder_open(gm_run_folder *out, const char *path, bool resume, gm_error *err);
void gm_run_folder_close(gm_run_folder *folder);

bool gm_run_folder_has(const gm_run_folder *folder, gm_run_file file);
/* Replaces the file. GM_ERR_IO, GM_ERR_MEMORY. */
gm_status gm_run_folder_write(const gm_run_folder *folder, gm_run_file file, const void *bytes,
                              size_t n, gm_error *err);

/* Appends; sync brings both lists to disk; cut makes one as long as it was. GM_ERR_IO. */
gm_status gm_run_folder_append(gm_run_folder *folder, gm_run_list list, const char *text,
                               size_t n, gm_error *err);
gm_status gm_run_folder_sync(const gm_run_folder *folder, gm_error *err);
gm_status gm_run_folder_cut(gm_run_folder *folder, gm_run_list list, uint64_t length,
                            gm_error *err);

#endif
