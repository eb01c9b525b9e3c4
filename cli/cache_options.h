/* cache_options.h - --cache, --no-cache and --cache-size: where models keep what they computed
 * between runs. */
#ifndef CLI_CACHE_OPTIONS_H
#define CLI_CACHE_OPTIONS_H

#include "arguments.h"
#include "gromatic.h"

/* *directory, for free(): --cache, else the user's own directory; NULL with --no-cache, or if
 * there is no home directory. *bytes: the limit; 0 if none is given. False after a message. */
bool cli_cache_options(const cli_args *args, char **directory, uint64_t *bytes);

/* Prints a line on stderr, once, if nothing could be kept in the directory of --cache; with -v
 * also for a file of the cache that a model refused. */
void cli_tell_refusal(const cli_args *args, const gm_cache_refusal *refusal);

/* Runs over more pictures keep no scenes unless --cache is given: the first scene would be gone
 * before the last one is made. */
enum { CLI_CACHE_PICTURES = 16 };

/* "500M" -> bytes; false if it is not a size. */
bool cli_parse_size(const char *text, uint64_t *out);

#endif
