/* run_settings.h - what --resume holds a run to: the command, the models and every option that
 * changes a result. Options that only change how it is shown or how fast it comes (-v, -t) are
 * left out. */
#ifndef CLI_RUN_SETTINGS_H
#define CLI_RUN_SETTINGS_H

#include "job.h"

/* A flat object: "--conf" and the like as they stand on the command line, null where not given;
 * NULL if memory is short. regions: of --regions. New reference. */
json_t *cli_run_settings(const cli_job *job, const double (*regions)[4], size_t n_regions,
                         const char *model_hash, const char *clip_hash);

#endif
