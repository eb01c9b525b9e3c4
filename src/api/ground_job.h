/* ground_job.h - phrases grounded on a scene, as a job of the engine. */
#ifndef GM_GROUND_JOB_H
#define GM_GROUND_JOB_H

#include "ask_job.h"

typedef struct gm_ground_job gm_ground_job;

/* Copies phrases and params, which have been read; results [n] are the caller's, NULL at the
 * start, and all NULL after a failure. Errors: GM_ERR_ARGUMENT, GM_ERR_MEMORY. */
gm_status gm_ground_job_new(gm_ground_job **out, gm_scene *scene, const char *const *phrases,
                            size_t n, const gm_ground_params *params,
                            gm_ground_result **results, gm_error *err);
gm_job *gm_ground_job_of(gm_ground_job *g);
void gm_ground_job_free(gm_ground_job *g);

#endif
