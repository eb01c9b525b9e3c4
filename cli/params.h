/* params.h - the arguments as parameters of the library, and the model that they name. */
#ifndef CLI_PARAMS_H
#define CLI_PARAMS_H

#include "arguments.h"
#include "scope.h"

#include "gromatic.h"

enum { CLI_MAX_FILE = 64 << 20 }; /* bytes of a picture; docs/SECURITY.md */

/* Opens the model of the arguments for n pictures (0: many); n decides whether their scenes are
 * kept (cache_options.h). both: the command uses a CLIP too (adapters.h). Returns an exit code,
 * after a message if it is not CLI_DONE. */
int cli_open_model(const cli_args *args, size_t n, bool both, gm_model **out);
/* The model's scope if the arguments name no model; else none. */
cli_scope cli_scope_of(const cli_args *args, const gm_model *model);
/* With -v reports the files of the cache that it refused. NULL is allowed. */
void cli_close_model(const cli_args *args, gm_model *model);

gm_image_params cli_image_params(const cli_args *args);
/* --conf, --iou, --max-det, --append-boxes, --shuffle. */
gm_scene_params cli_scene_params(const cli_args *args);
/* Whether to list a region. If no score is above --conf, a scene still has its best region,
 * because the model cannot answer without one. */
bool cli_above_conf(const cli_args *args, const gm_region *region);
gm_ask_params cli_ask_params(const cli_args *args);

/* The number of pictures that are worked on together (--parallel), 1 to CLI_MOST_TOGETHER. */
size_t cli_together(const cli_args *args);

#endif
