/* bench_pictures.h - how many pictures an hour a model captions, from file to answer. */
#ifndef CLI_BENCH_PICTURES_H
#define CLI_BENCH_PICTURES_H

#include "arguments.h"
#include "gromatic_tools.h"

/* The pictures as `caption` takes them, `together` of them at once (--parallel), the next one
 * read and decoded while one is looked at; answers of params->tokens tokens at most (0: 48),
 * nothing kept from run to run. *per_hour is of the fastest of params->repeat runs (0: 3). */
gm_status cli_bench_pictures(const cli_list *files, size_t together, const char *model,
                             const gm_bench_params *params, const gm_callbacks *callbacks,
                             double *per_hour, gm_error *err);

#endif
