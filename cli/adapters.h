/* adapters.h - --adapter FILE[:SCALE]: changes to the model, for each model of a command. */
#ifndef CLI_ADAPTERS_H
#define CLI_ADAPTERS_H

#include "arguments.h"
#include "gromatic.h"

#include <jansson.h>

/* *uses (for free(); NULL if there are none) = the adapters for a model of this architecture:
 * all that were given, or, where the command uses models of both architectures, those made for
 * this one. CLI_DONE, or an exit code after a message. */
int cli_adapters(const cli_args *args, const char *architecture, bool both,
                 gm_adapter_use **uses, size_t *n);

/* Says on stderr which adapters were made for another file; info's are the model's. */
void cli_tell_adapter(const cli_args *args, const gm_adapter_info *info);

/* Hash and scale of each adapter, which --resume compares. clip and model may be NULL; NULL if
 * there are no adapters. New reference. */
json_t *cli_adapter_settings(const gm_model *model, const gm_clip *clip);

#endif
