/* config_check.h - checks the JSON files of a checkpoint against tables of known members.
 *
 * A member that no table names is an error, since it may change what the model computes. For
 * every known member the tables (config_tables.c, clip_config.c, groma_config.c) say that it is
 * read, why it changes nothing, which of its values are computed, or which size of the weights
 * it repeats. One error lists the findings of all files. */
#ifndef GM_CONFIG_CHECK_H
#define GM_CONFIG_CHECK_H

#include "convert.h"

typedef enum gm_member_kind {
  GM_MEMBER_READ,     /* the architecture's code reads and checks it */
  GM_MEMBER_HARMLESS, /* changes nothing that is computed; why: `reason` */
  GM_MEMBER_ONLY,     /* one of `only`, or absent */
  GM_MEMBER_HABIT,    /* one of `only`; any other value counts as an unknown member */
  GM_MEMBER_TOKEN,    /* a token's text, bare or in an object's "content": one of `only` */
  GM_MEMBER_SIZE      /* a number, or it twice, equal to the weights' dims[size] */
} gm_member_kind;

typedef struct gm_member {
  const char *name; /* a pattern of fnmatch */
  gm_member_kind kind;
  const char *reason;
  const char *const *only; /* JSON texts, NULL after the last */
  uint8_t size;
} gm_member;

#define GM_READ(name)                                                                          \
  { name, GM_MEMBER_READ, NULL, NULL, 0 }
#define GM_HARMLESS(name, reason)                                                              \
  { name, GM_MEMBER_HARMLESS, reason, NULL, 0 }
#define GM_ONLY(name, ...)                                                                     \
  { name, GM_MEMBER_ONLY, NULL, (const char *const[]){__VA_ARGS__, NULL}, 0 }
#define GM_HABIT(name, ...)                                                                    \
  { name, GM_MEMBER_HABIT, NULL, (const char *const[]){__VA_ARGS__, NULL}, 0 }
#define GM_TOKEN(name, ...)                                                                    \
  { name, GM_MEMBER_TOKEN, NULL, (const char *const[]){__VA_ARGS__, NULL}, 0 }
#define GM_SIZE(name, dim)                                                                     \
  { name, GM_MEMBER_SIZE, NULL, NULL, dim }
/* A switch that must be off. */
#define GM_OFF(name) GM_ONLY(name, "false", "null")
#define GM_NULL(name) GM_ONLY(name, "null")

/* Members of the object at a path: "" the root, "text_config", "perceiver_cfg.ddetr_cfg". Of
 * several rows for one path, the first that names a member is used. */
typedef struct gm_config_rows {
  const char *path;
  const gm_member *members; /* GM_MEMBERS_END after the last */
} gm_config_rows;

#define GM_MEMBERS_END                                                                         \
  { NULL, GM_MEMBER_READ, NULL, NULL, 0 }

typedef struct gm_config_file {
  const char *name;
  const gm_config_rows *rows;
  size_t n;
  bool (*prepare)(json_t **root); /* called before the check, may be NULL; false: memory is
                                     short */
} gm_config_file;

#define GM_CONFIG(name, rows, prepare)                                                         \
  { name, rows, sizeof(rows) / sizeof((rows)[0]), prepare }

enum { GM_MAX_CONFIGS = 12 };

/* The files that exist. */
typedef struct gm_configs {
  const gm_config_file *files;
  size_t n;
  json_t *roots[GM_MAX_CONFIGS]; /* [n]; NULL: no such file */
} gm_configs;

/* Reads and checks the files of the list that the source has; dims are the sizes for
 * GM_MEMBER_SIZE. Unknown members that params->ignore_config names are skipped. GM_ERR_MODEL
 * lists what was found; close in any case. */
gm_status gm_configs_open(gm_configs *out, const gm_source *source, const gm_config_file *files,
                          size_t n, const size_t *dims, gm_error *err);
void gm_configs_close(gm_configs *configs);
/* The file's root; NULL: no such file. */
const json_t *gm_configs_root(const gm_configs *configs, const char *name);

/* True if params->ignore_config names it, by its path, its last part or file:path. A '*' in
 * them matches anything. */
bool gm_source_ignores(const gm_source *source, const char *file, const char *path);

#endif
