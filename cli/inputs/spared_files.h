/* spared_files.h - an output must not be a file that the run reads. */
#ifndef CLI_SPARED_FILES_H
#define CLI_SPARED_FILES_H

#include "arguments.h"

/* False, after a message, if an output of the arguments is one of their inputs (a model, a list
 * of classes, a picture), by whatever name or link; --force too does not allow that. Called for
 * every command before it runs. */
bool cli_spares_inputs(const cli_command *command, const cli_args *args);

#endif
