/* namer.h - the naming of regions (output/naming.h) with the model, classes and rules of the
 * arguments; for label and eval label. */
#ifndef CLI_NAMER_H
#define CLI_NAMER_H

#include "arguments.h"
#include "naming.h"

#include <jansson.h>

typedef struct cli_namer {
  out_naming naming;
  const char **names; /* [n_names] of the classes */
  size_t n_names;
  json_t *settings; /* for cli_job.settings */
} cli_namer;

/* Opens --clip-model and encodes the classes of the arguments, or the n given ones. Returns an
 * exit code, after a message if it is not CLI_DONE. Call cli_namer_close in any case. */
int cli_namer_open(cli_namer *namer, const cli_args *args, const char *const *names, size_t n,
                   const gm_callbacks *callbacks);
void cli_namer_close(cli_namer *namer, const cli_args *args);

#endif
