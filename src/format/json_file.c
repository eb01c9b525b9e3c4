/* json_file.c - see json_file.h. */
#include "json_file.h"

#include "mapping.h"
#include "text_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *gm_join_path(const char *directory, const char *name) {
  char *path = NULL;
  return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

gm_status gm_json_parse(json_t **out, const void *bytes, size_t size, const char *name,
                        gm_error *err) {
  *out = NULL;
  if (size > GM_JSON_MAX_FILE)
    return gm_fail(err, GM_ERR_MODEL, "%s: found %zu bytes, wanted at most %d", name, size,
                   GM_JSON_MAX_FILE);
  size_t skip;
  GM_TRY(gm_text_check(bytes, size, name, GM_ERR_MODEL, &skip, err));
  json_error_t why;
  const char *text = (const char *)bytes + skip;
  json_t *root = json_loadb(text, size - skip, JSON_REJECT_DUPLICATES, &why);
  /* A number beyond 64 bits, such as the model_max_length of many tokenizers: reads all as
   * reals. */
  if (!root && json_error_code(&why) == json_error_numeric_overflow)
    root =
        json_loadb(text, size - skip, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &why);
  /* jansson has no message for a failed allocation. */
  if (!root && !why.text[0]) return gm_fail_memory(err, name, size);
  if (!root)
    return gm_fail(err, GM_ERR_MODEL, "%s: line %d: found no valid JSON: %s", name, why.line,
                   why.text);
  if (!json_is_object(root)) {
    json_decref(root);
    return gm_fail(err, GM_ERR_MODEL, "%s: found JSON that is no object", name);
  }
  *out = root;
  return GM_OK;
}

gm_status gm_json_load(json_t **out, const char *directory, const char *name, gm_error *err) {
  *out = NULL;
  char *path = gm_join_path(directory, name);
  if (!path) return gm_fail_memory(err, name, strlen(directory) + strlen(name) + 2);
  gm_mapping file;
  gm_status status = gm_map_file(&file, path, false, err);
  if (status == GM_OK) {
    status = gm_json_parse(out, file.data, file.size, path, err);
    gm_unmap(&file);
  }
  free(path);
  return status;
}

const json_t *gm_json_at(const json_t *root, const char *path) {
  const json_t *at = root;
  while (at && *path) {
    size_t n = strcspn(path, ".");
    at = json_object_getn(at, path, n);
    path += path[n] ? n + 1 : n;
  }
  return json_is_null(at) ? NULL : at;
}

gm_status gm_json_i32(const json_t *root, const char *path, int32_t min, int32_t max,
                      int32_t *out, const char *file, gm_error *err) {
  const json_t *value = gm_json_at(root, path);
  if (!value) return GM_OK;
  if (!json_is_integer(value))
    return gm_fail(err, GM_ERR_MODEL, "%s: %s: found no whole number", file, path);
  json_int_t number = json_integer_value(value);
  if (number < min || number > max)
    return gm_fail(err, GM_ERR_MODEL, "%s: %s: found %" JSON_INTEGER_FORMAT ", wanted %d to %d",
                   file, path, number, min, max);
  *out = (int32_t)number;
  return GM_OK;
}

gm_status gm_json_u32(const json_t *root, const char *path, uint32_t min, uint32_t max,
                      uint32_t *out, const char *file, gm_error *err) {
  int32_t value = (int32_t)*out;
  GM_TRY(gm_json_i32(root, path, (int32_t)min, (int32_t)max, &value, file, err));
  *out = (uint32_t)value;
  return GM_OK;
}

static gm_status number_in(const json_t *value, const char *path, float min, float max,
                           float *out, const char *file, gm_error *err) {
  if (!json_is_number(value))
    return gm_fail(err, GM_ERR_MODEL, "%s: %s: found no number", file, path);
  double number = json_number_value(value);
  if (!(number >= (double)min && number <= (double)max))
    return gm_fail(err, GM_ERR_MODEL, "%s: %s: found %g, wanted %g to %g", file, path, number,
                   (double)min, (double)max);
  *out = (float)number;
  return GM_OK;
}

gm_status gm_json_f32(const json_t *root, const char *path, float min, float max, float *out,
                      const char *file, gm_error *err) {
  const json_t *value = gm_json_at(root, path);
  return value ? number_in(value, path, min, max, out, file, err) : GM_OK;
}

gm_status gm_json_string(const json_t *root, const char *path, const char **out,
                         const char *file, gm_error *err) {
  const json_t *value = gm_json_at(root, path);
  if (!value) return GM_OK;
  if (!json_is_string(value))
    return gm_fail(err, GM_ERR_MODEL, "%s: %s: found no string", file, path);
  *out = json_string_value(value);
  return GM_OK;
}

gm_status gm_json_f32_array(const json_t *root, const char *path, size_t n, float min,
                            float max, float *out, const char *file, gm_error *err) {
  const json_t *value = gm_json_at(root, path);
  if (!value) return GM_OK;
  if (!json_is_array(value) || json_array_size(value) != n)
    return gm_fail(err, GM_ERR_MODEL, "%s: %s: wanted an array of %zu numbers", file, path, n);
  for (size_t i = 0; i < n; i++)
    GM_TRY(number_in(json_array_get(value, i), path, min, max, &out[i], file, err));
  return GM_OK;
}
