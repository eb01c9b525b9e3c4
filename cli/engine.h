/* engine.h - the engine that the models of a command share. */
#ifndef CLI_ENGINE_H
#define CLI_ENGINE_H

#include "arguments.h"

#include "gromatic.h"

/* Made with the first call, with --threads; it keeps no scenes that nobody holds, and has no
 * memory limit of its own. The program's until cli_free_engine. Errors: as gm_engine_create. */
gm_status cli_engine(const cli_args *args, gm_engine **out, gm_error *err);
/* After the models were freed. */
void cli_free_engine(void);

#endif
