/* head_numbers.h - arrays of numbers of a head's keys, checked. */
#ifndef GM_HEAD_NUMBERS_H
#define GM_HEAD_NUMBERS_H

#include "model_file.h"

/* GM_ERR_MODEL where one is not finite, or larger than is sensible. */
gm_status gm_head_numbers_check(const gm_model_file *file, const char *key, const float *values,
                                size_t n, gm_error *err);
/* out[n] = the key's numbers, which must be so many. */
gm_status gm_head_numbers(const gm_model_file *file, const char *key, size_t n, float *out,
                          gm_error *err);
/* out[size] = the key's text; GM_ERR_MODEL where it is longer. */
gm_status gm_head_text(const gm_model_file *file, const char *key, char *out, size_t size,
                       gm_error *err);

#endif
