/* cache_options.h - --cache, --no-cache and --cache-size: where models keep what they computed
 * between runs. */
#ifndef CLI_CACHE_OPTIONS_H
#define CLI_CACHE_OPTIONS_H

#include "arguments.h"
#include "gromatic.h"

/* *directory, to be freed: --cache, else the user's own; NULL with --no-cache, or where there
 * is no home: a home is not made. *bytes: the limit, 0 where none is given. False after a
 * message. */
bool cli_cache_options(const cli_args *args, char **directory, uint64_t *bytes);

/* A line on stderr, once, where nothing could be kept in the directory of --cache; with -v for
 * a file of the cache that a model refused. */
void cli_tell_refusal(const cli_args *args, const gm_cache_refusal *refusal);

/* Runs over more pictures keep no scenes unless --cache says where: the first would be gone
 * before the last is done. */
enum { CLI_CACHE_PICTURES = 16 };

#endif
