/* tune_adapter.h - weights that have learned -> an adapter file (adapter.h). */
#ifndef GM_TUNE_ADAPTER_H
#define GM_TUNE_ADAPTER_H

#include "params.h"

/* values: of all params, one after another, as they are to be written. Pairs stay pairs, whole
 * tensors become differences to the base; those that did not move are left out. name may be
 * NULL. Errors: GM_ERR_IO, GM_ERR_MEMORY, GM_ERR_MODEL where a number is not finite. */
gm_status gm_tune_adapter_write(const gm_params *params, const float *values, float alpha,
                                const char *name, const char *path, gm_error *err);

/* Elements of all params. */
size_t gm_tune_values(const gm_params *params);

#endif
