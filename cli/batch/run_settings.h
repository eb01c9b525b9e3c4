/* run_settings.h - what must be the same where --resume goes on with a run: the command, the
 * models, and the options that change the result, as option_rows.h says of each. */
#ifndef CLI_RUN_SETTINGS_H
#define CLI_RUN_SETTINGS_H

#include "job.h"

/* What a run used besides its arguments. */
typedef struct cli_run_models {
  const char *hash, *clip_hash; /* "" where the job has no such model */
  const char *kernels;          /* the instruction set: it changes the last bits */
  const double (*regions)[4];   /* of --regions */
  size_t n_regions;
} cli_run_models;

/* The command and its options that change the result: {"the command": "detect", "--conf": 0.3},
 * without those that have their default; of a file its sum. Members of `own` (may be NULL) are
 * added, and stand for options that count by something else than what was typed: "--classes" by
 * the names; null takes an option out. New reference; NULL if memory is short. */
json_t *cli_option_settings(const cli_command *command, const cli_args *args, json_t *own);

/* The same of a run over pictures, with its models. */
json_t *cli_run_settings(const cli_job *job, const cli_run_models *models);

/* "--conf 0.3, now 0.5; ...", to be freed; NULL if memory is short. *limits: only limits
 * differ, which make pictures fail and change nothing of the others. */
char *cli_settings_difference(json_t *before, json_t *now, bool *limits);

#endif
