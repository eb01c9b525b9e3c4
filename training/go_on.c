/* go_on.c - see go_on.h. */
#include "go_on.h"

#include "train_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static gm_train_state state_of(gm_params *params, gm_optimiser *optimiser) {
  static const char run[] = "0000000000000000000000000000000000000000000000000000000000000000";
  return (gm_train_state){.run = run, .params = params, .optimiser = optimiser};
}

gm_status save_run(gm_params *params, gm_optimiser *optimiser, const char *path,
                   gm_error *err) {
  gm_train_state state = state_of(params, optimiser);
  return gm_train_state_write(&state, path, err);
}

gm_status resume_run(gm_params *params, gm_optimiser *optimiser, const char *path,
                     gm_error *err) {
  gm_train_state state = state_of(params, optimiser);
  gm_status status = gm_train_state_read(&state, path, err);
  if (status == GM_ERR_FILE_NOT_FOUND) return GM_OK;
  free(state.place);
  if (status == GM_OK)
    printf("goes on after %llu steps\n", (unsigned long long)optimiser->updates);
  return status;
}
