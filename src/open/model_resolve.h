/* model_resolve.h - what a user calls a model -> the opened file. */
#ifndef GM_MODEL_RESOLVE_H
#define GM_MODEL_RESOLVE_H

#include "embedded.h"
#include "model_file.h"
#include "threads.h"

#define GM_DEFAULT_MODEL "groma-mini"

/* spec: NULL (GM_DEFAULT_MODEL), a path, the name of an embedded model, or
 * "synthetic:NAME[:TYPE[:fast]]"; which of them it is, as gromatic.h says. A name that has a
 * '/' or ends in ".gguf" is a path; any other is first an embedded name, then a path. params
 * may be NULL; pool (may be NULL) computes synthetic weights. Errors: as of the parts, and
 * GM_ERR_FILE_NOT_FOUND that lists the embedded names. */
gm_status gm_model_file_resolve(gm_model_file **out, const char *spec,
                                const gm_model_params *params, gm_pool *pool, gm_error *err);

/* What the model that such a spec stands for was trained on; NULL unless it is an embedded one.
 */
const gm_embedded_world *gm_model_world(const char *spec);

#endif
