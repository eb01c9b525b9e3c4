/* class_options.h - what the commands that name things by CLIP share: the model, the classes of
 * the arguments with their files, the crops. */
#ifndef CLI_CLASS_OPTIONS_H
#define CLI_CLASS_OPTIONS_H

#include "arguments.h"

#include "gromatic.h"

#include <jansson.h>

/* Opens a CLIP (NULL: clip-mini) with the threads and the cache of the arguments; on failure
 * says so on stderr and returns an exit code. */
int cli_open_clip(const cli_args *args, const char *model, gm_clip **out);
/* With -v tells what it refused of the cache. NULL is allowed. */
void cli_close_clip(const cli_args *args, gm_clip *clip);

/* --method; false after a message. */
bool cli_method(const cli_args *args, gm_method *out);

/* The names in --classes: a file's lines (trimmed, empty ones skipped) where there is such a
 * file, else the list between commas. NULL with *n 0 without the option. False after a message.
 * cli_names_free releases them. */
bool cli_class_names(const cli_args *args, char ***names, size_t *n);
void cli_names_free(char **names, size_t n);

/* Whether the method looks at crops of the picture. */
bool cli_has_crops(gm_method method);

/* The classes of the arguments, read from their files and encoded. Names given (from
 * cli_class_names or elsewhere) take the place of --classes where n > 0; without
 * --descriptions, wca and wca-released know them by their label prompt alone. Returns an exit
 * code, after a message if it is not CLI_DONE. */
int cli_make_classes(const cli_args *args, gm_clip *clip, gm_method method,
                     const char *const *names, size_t n, const gm_callbacks *callbacks,
                     gm_classes **out);

/* The crops of the arguments, where they say nothing those of the preset, the region or the
 * method. False after a message. */
bool cli_view_params(const cli_args *args, gm_method method, bool of_region,
                     gm_view_params *out);
/* The scoring of the arguments. */
gm_classify_params cli_classify_params(const cli_args *args);

/* The names of --classes, which count by themselves and not by where they stand, for
 * cli_job.settings. New reference; NULL if memory is short. */
json_t *cli_class_settings(const cli_args *args);

#endif
