/* run_settings.h - what --resume holds a run to: the command, the models and every option that
 * changes a result. Options that only change how it is shown or how fast it comes (-v, -t) are
 * left out. */
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

/* A flat object: "--conf" and the like as they stand on the command line, null where not given;
 * NULL if memory is short. New reference. */
json_t *cli_run_settings(const cli_job *job, const cli_run_models *models);

/* "--conf 0.3, now 0.5; ...", to be freed; NULL if memory is short. *limits: only limits
 * differ, which make pictures fail and change nothing of those that don't. */
char *cli_settings_difference(json_t *before, json_t *now, bool *limits);

#endif
