/* go_on.h - what all programs here do to stop and go on: the time, and the state of a run. */
#ifndef GM_TRAINING_GO_ON_H
#define GM_TRAINING_GO_ON_H

#include "optimiser.h"
#include "params.h"

double seconds_now(void); /* of a clock that only goes forward */

/* A run whose settings are its own business: state files of any run of these weights fit. */
gm_status save_run(gm_params *params, gm_optimiser *optimiser, const char *path, gm_error *err);
/* Says where it goes on. Without a file there nothing changes. */
gm_status resume_run(gm_params *params, gm_optimiser *optimiser, const char *path,
                     gm_error *err);

#endif
