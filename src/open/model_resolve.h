/* model_resolve.h - a user's name for a model -> the opened file. */
#ifndef GM_MODEL_RESOLVE_H
#define GM_MODEL_RESOLVE_H

#include "embedded.h"
#include "model_file.h"
#include "threads.h"

#define GM_DEFAULT_MODEL "groma-mini"

/* spec: NULL (GM_DEFAULT_MODEL), a path, the name of an embedded model, or
 * "synthetic:NAME[:TYPE[:fast]]"; see gromatic.h. A name that has a '/' or ends in ".gguf" is a
 * path; any other is tried as an embedded name, then as a path. params may be NULL; pool (may
 * be NULL) computes synthetic weights. Errors: those of opening or computing the model, and
 * GM_ERR_FILE_NOT_FOUND, which lists the embedded names. */
gm_status gm_model_file_resolve(gm_model_file **out, const char *spec,
                                const gm_model_params *params, gm_pool *pool, gm_error *err);

/* What the spec's model was trained on; NULL unless it is embedded. */
const gm_embedded_world *gm_model_world(const char *spec);

/* The same, or for a synthetic model of a type, whose exact weights take minutes to compute,
 * the name of one of the same sizes that is filled in fast: for what does not depend on their
 * values. room[size] may be what is returned. */
const char *gm_model_quick(const char *spec, char *room, size_t size);

#endif
