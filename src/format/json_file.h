/* json_file.h - the JSON files of a checkpoint: their size is capped, and the type and range of
 * members are checked. Errors name file and member. */
#ifndef GM_JSON_FILE_H
#define GM_JSON_FILE_H

#include "status.h"

#include <jansson.h>

/* Parsed JSON takes up to 50 times its bytes: this bounds what a file of "[[],[],..." costs. */
enum { GM_JSON_MAX_FILE = 16 << 20 };

/* Bytes that must be a JSON object in UTF-8, with a byte order mark or without; `name` is for
 * messages. GM_ERR_MODEL if they are not (or a key comes twice). json_decref it. */
gm_status gm_json_parse(json_t **out, const void *bytes, size_t size, const char *name,
                        gm_error *err);
/* Reads directory/name, likewise. GM_ERR_FILE_NOT_FOUND if there is none. */
gm_status gm_json_load(json_t **out, const char *directory, const char *name, gm_error *err);

/* The member at a path such as "a.b.c"; NULL if a step is absent or null. */
const json_t *gm_json_at(const json_t *root, const char *path);

/* Members by path; an absent (or null) one leaves *out as it is, so preset the default.
 * GM_ERR_MODEL if it is of another type or out of [min, max]. `file` is for messages. */
gm_status gm_json_u32(const json_t *root, const char *path, uint32_t min, uint32_t max,
                      uint32_t *out, const char *file, gm_error *err);
gm_status gm_json_i32(const json_t *root, const char *path, int32_t min, int32_t max,
                      int32_t *out, const char *file, gm_error *err);
gm_status gm_json_f32(const json_t *root, const char *path, float min, float max, float *out,
                      const char *file, gm_error *err);
/* *out lives as long as root. */
gm_status gm_json_string(const json_t *root, const char *path, const char **out,
                         const char *file, gm_error *err);
/* An array of exactly n numbers in [min, max]. */
gm_status gm_json_f32_array(const json_t *root, const char *path, size_t n, float min,
                            float max, float *out, const char *file, gm_error *err);

/* "directory/name", to be freed. NULL if memory is short. */
char *gm_join_path(const char *directory, const char *name);

#endif
