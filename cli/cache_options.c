/* cache_options.c - see cache_options.h. */
#include "cache_options.h"

#include "terminal.h"

#include <ctype.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool cli_parse_size(const char *text, uint64_t *out) {
  static const char units[] = "KMGT";
  char *end;
  double value = strtod(text, &end);
  const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
  if (end == text || (*end && (!unit || end[1]))) return false;
  for (const char *u = units; unit && u <= unit; u++) value *= 1024;
  if (!(value >= 1 && value < 1e18)) return false;
  *out = (uint64_t)value;
  return true;
}

static bool is_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Whether the folder or its parent exists. */
static bool is_beside_something(const char *path) {
  char *copy = strdup(path);
  bool there = copy && (is_folder(path) || is_folder(dirname(copy)));
  free(copy);
  return there;
}

/* Makes no home directory for the user's cache: the users of services often have one that does
 * not exist. */
static char *directory_of(const cli_args *args) {
  char *path = NULL;
  const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  int n = -1;
  if (args->no_cache) return NULL;
  if (args->cache) return strdup(args->cache);
  if (base && *base == '/') {
    if (is_beside_something(base)) n = asprintf(&path, "%s/gromatic", base);
  } else if (home && *home == '/' && is_folder(home)) {
    n = asprintf(&path, "%s/.cache/gromatic", home);
  }
  return n < 0 ? NULL : path;
}

/* Whether the value comes from the environment, which the command line overrides. */
static bool from_environment(const char *value) {
  return value == getenv("GROMATIC_ARG_CACHE");
}

bool cli_cache_options(const cli_args *args, char **directory, uint64_t *bytes) {
  *bytes = 0;
  *directory = NULL;
  if (args->cache_size && !cli_parse_size(args->cache_size, bytes)) {
    cli_error("--cache-size: found '%s', wanted a size as 500M or 4G; --no-cache keeps nothing",
              args->cache_size);
    return false;
  }
  if (args->no_cache && args->cache && !from_environment(args->cache)) {
    cli_error("--cache: found --no-cache too, wanted one of them");
    return false;
  }
  if (args->cache && !*args->cache && !args->no_cache) {
    cli_error("--cache: found an empty name, wanted a directory; --no-cache keeps nothing");
    return false;
  }
  *directory = directory_of(args);
  return true;
}

void cli_tell_refusal(const cli_args *args, const gm_cache_refusal *refusal) {
  static bool told; /* two models may share a cache */
  if (args->cache && strcmp(refusal->path, args->cache) == 0) {
    if (!told) cli_error("--cache %s: it %s", args->cache, refusal->why);
    told = true;
  } else if (args->verbose) {
    bool entry = strncmp(refusal->why, "found", 5) == 0; /* else it is about the directory */
    cli_error("%s: %s%s", refusal->path, refusal->why,
              entry ? "; not used, computed again" : "");
  }
}
