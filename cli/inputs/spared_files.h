/* spared_files.h - no output may be a file that the run reads. */
#ifndef CLI_SPARED_FILES_H
#define CLI_SPARED_FILES_H

#include "arguments.h"

/* False, after a message, where a file that the arguments name as an output is one that they
 * name as an input, by whatever name or link: a model, a list of classes, a picture. Not even
 * --force means that. Of every command, before it runs. */
bool cli_spares_inputs(const cli_command *command, const cli_args *args);

#endif
