/* scope.h - what is told of a model that knows a part of the world only: once a run where the
 * user has given none, and of pictures that are unlike that part. */
#ifndef CLI_SCOPE_H
#define CLI_SCOPE_H

#include "gromatic.h"

#include <jansson.h>

/* A model's name and scope, as its info has them. */
typedef struct cli_scope {
  const char *name, *scope; /* scope NULL: nothing is to be told */
} cli_scope;

/* On stderr, once a run: that nobody gave a model, and what that means. */
void cli_scope_tell(cli_scope scope);

/* Adds to a result what a reader of JSON is told: "notice" of a model that nobody gave,
 * "unlike" where the picture is (gm_scene_unlikeness; 0: not measured). */
void cli_scope_add(cli_scope scope, float unlikeness, json_t *object);

/* On stderr, of a scene whose picture is unlike what its model knows. */
void cli_scope_tell_unlike(const char *picture, const gm_model_info *info);
/* The same of some of a run's pictures. */
void cli_scope_tell_several(size_t unlike, size_t pictures, const gm_model_info *info);

#endif
