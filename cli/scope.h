/* scope.h - notices about models that know only a part of the world: once a run if the user
 * names no model, and for pictures that are unlike that part. */
#ifndef CLI_SCOPE_H
#define CLI_SCOPE_H

#include "gromatic.h"

/* A model's name and scope, as in its info. */
typedef struct cli_scope {
  const char *name, *scope; /* scope NULL: no notice */
} cli_scope;

/* Prints on stderr, once a run, that no model was given, and what that means. */
void cli_scope_tell(cli_scope scope);

/* Prints on stderr that a picture is unlike what the model knows. */
void cli_scope_tell_unlike(const char *picture, const gm_model_info *info);
/* The same for some pictures of a run. */
void cli_scope_tell_several(size_t unlike, size_t pictures, const gm_model_info *info);

#endif
