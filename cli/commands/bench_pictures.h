/* bench_pictures.h - measures how many pictures an hour a model captions, from file to answer.
 */
#ifndef CLI_BENCH_PICTURES_H
#define CLI_BENCH_PICTURES_H

#include "arguments.h"
#include "gromatic_tools.h"

/* Works as `caption` does: `together` pictures at once (--parallel), the next one read and
 * decoded meanwhile, answers of at most params->tokens tokens (0: 48). Nothing is kept between
 * runs. *per_hour is that of the fastest of params->repeat runs (0: 3). */
gm_status cli_bench_pictures(const cli_list *files, size_t together, const char *model,
                             const gm_bench_params *params, const gm_callbacks *callbacks,
                             double *per_hour, gm_error *err);

#endif
