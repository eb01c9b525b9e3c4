/* batch.h - runs one command over its pictures: opens the model once, makes a scene of each
 * picture, and sends what the command found to the terminal, to a file of JSON lines, and to
 * annotated pictures. */
#ifndef CLI_BATCH_H
#define CLI_BATCH_H

#include "job.h"

/* Parses what all image commands share, runs, returns the exit code. inputs: the pictures. */
int cli_run_batch(cli_job *job, const cli_list *inputs);

/* The boxes of --box in pixels of this picture. GM_ERR_ARGUMENT names a box that covers nothing
 * of it. */
gm_status cli_job_boxes(const cli_job *job, const cli_report *report, gm_box *out,
                        gm_error *err);

#endif
