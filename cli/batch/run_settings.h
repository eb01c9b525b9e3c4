/* run_settings.h - what must be the same when --resume continues a run: the command, the
 * models, and the options that change the result (option_rows.h says which do). */
#ifndef CLI_RUN_SETTINGS_H
#define CLI_RUN_SETTINGS_H

#include "job.h"

/* What a run uses besides its arguments. */
typedef struct cli_run_models {
  const char *hash, *clip_hash; /* "" if the job has no such model */
  const char *kernels;          /* the instruction set, which changes the last bits */
  const double (*regions)[4];   /* of --regions */
  size_t n_regions;
  json_t *adapters; /* cli_adapter_settings, which is taken over; NULL: none */
} cli_run_models;

/* The command and its options that change the result, {"the command": "detect", "--conf": 0.3}.
 * Options with their default value are left out; a file counts by its hash. `own` (may be NULL)
 * is added, and replaces options that count by something else than what was typed ("--classes"
 * by its names); null removes an option. New reference; NULL if memory is short. */
json_t *cli_option_settings(const cli_command *command, const cli_args *args, json_t *own);

/* The same for a run over pictures, with its models. */
json_t *cli_run_settings(const cli_job *job, const cli_run_models *models);

/* "--conf 0.3, now 0.5; ...", for free(); NULL if memory is short. *limits: all that differs
 * only decides which inputs fail. */
char *cli_settings_difference(json_t *before, json_t *now, bool *limits);

#endif
