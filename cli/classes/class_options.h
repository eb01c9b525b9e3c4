/* class_options.h - what the commands that use CLIP share: the model, the classes of the
 * arguments with their files, the crops. */
#ifndef CLI_CLASS_OPTIONS_H
#define CLI_CLASS_OPTIONS_H

#include "arguments.h"

#include "gromatic.h"

#include <jansson.h>

/* Opens a CLIP (NULL: clip-mini) with the threads and the cache of the arguments. both: the
 * command uses a Groma model too (adapters.h). Returns an exit code, after a message if it is
 * not CLI_DONE. */
int cli_open_clip(const cli_args *args, const char *model, bool both, gm_clip **out);
/* The CLIP that a head is fitted with: --clip-model, or clip-mini for groma-mini; else NULL. */
const char *cli_head_clip(const cli_args *args);
/* The CLIP that the model's head looks with: --clip-model, or clip-mini if it was that; else
 * *out stays NULL. */
int cli_open_head_clip(const cli_args *args, const gm_model *model, gm_clip **out);
/* With -v reports the files of the cache that it refused. NULL is allowed. */
void cli_close_clip(const cli_args *args, gm_clip *clip);

/* --method; false after a message. */
bool cli_method(const cli_args *args, gm_method *out);

/* The names in --classes: the lines of a file (trimmed, without empty ones) if there is such a
 * file, else the list between commas. Without the option NULL and *n 0. False after a message.
 * Free with cli_names_free. */
bool cli_class_names(const cli_args *args, char ***names, size_t *n);
void cli_names_free(char **names, size_t n);

/* Reads the classes of the arguments from their files and encodes them. If n > 0, names (from
 * cli_class_names or elsewhere) replace --classes. Without --descriptions, wca and wca-released
 * use the label prompt of each class. Returns an exit code, after a message if it is not
 * CLI_DONE. */
int cli_make_classes(const cli_args *args, gm_clip *clip, gm_method method,
                     const char *const *names, size_t n, const gm_callbacks *callbacks,
                     gm_classes **out);

/* The crops of the arguments; what they do not say is taken from the preset, the region or the
 * method. False after a message. */
bool cli_view_params(const cli_args *args, gm_method method, bool of_region,
                     gm_view_params *out);
/* The scoring of the arguments. */
gm_classify_params cli_classify_params(const cli_args *args);

/* The names of --classes for cli_job.settings: with --resume the names must be the same,
 * wherever they are written. New reference; NULL if memory is short. */
json_t *cli_class_settings(const cli_args *args);

#endif
