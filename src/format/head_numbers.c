/* head_numbers.c - see head_numbers.h. */
#include "head_numbers.h"

#include <math.h>
#include <string.h>

/* Nothing sensible is larger. */
static const float most = 1e6F;

gm_status gm_head_numbers_check(const gm_model_file *file, const char *key, const float *values,
                                size_t n, gm_error *err) {
  for (size_t i = 0; i < n; i++)
    if (!(fabsf(values[i]) <= most))
      return gm_fail(
          err, GM_ERR_MODEL,
          "%s: key %s: found %g among its numbers, wanted numbers up to %g; the head "
          "is damaged: fit it again (gromatic calibrate)",
          gm_model_file_name(file), key, (double)values[i], (double)most);
  return GM_OK;
}

gm_status gm_head_numbers(const gm_model_file *file, const char *key, size_t n, float *out,
                          gm_error *err) {
  const float *values;
  size_t found;
  GM_TRY(gm_model_file_f32_array(file, key, &values, &found, err));
  if (found != n)
    return gm_fail(err, GM_ERR_MODEL, "%s: key %s: found %zu numbers, wanted %zu",
                   gm_model_file_name(file), key, found, n);
  GM_TRY(gm_head_numbers_check(file, key, values, n, err));
  memcpy(out, values, n * sizeof *out);
  return GM_OK;
}

gm_status gm_head_text(const gm_model_file *file, const char *key, char *out, size_t size,
                       gm_error *err) {
  const char *text;
  GM_TRY(gm_model_file_string(file, key, &text, err));
  if (strlen(text) >= size)
    return gm_fail(err, GM_ERR_MODEL, "%s: key %s: found %zu bytes, wanted at most %zu",
                   gm_model_file_name(file), key, strlen(text), size - 1);
  memcpy(out, text, strlen(text) + 1);
  return GM_OK;
}
