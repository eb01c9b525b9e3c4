/* text_buffer.c - see text_buffer.h. */
#include "text_buffer.h"

#include "checked.h"
#include "utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

gm_status gm_text_append(gm_text *text, const void *bytes, size_t length, gm_error *err) {
  size_t wanted;
  assert(!text->bytes || text->length < text->capacity); /* room for the NUL */
  if (!gm_add_size(text->length, length, &wanted) || !gm_add_size(wanted, 1, &wanted))
    return gm_fail_memory(err, "text", length);
  if (wanted > text->capacity) {
    size_t capacity;
    if (!gm_mul_size(text->capacity, 2, &capacity) || capacity < wanted) capacity = wanted;
    if (capacity < 64) capacity = 64;
    char *grown = realloc(text->bytes, capacity);
    if (!grown) return gm_fail_memory(err, "text", capacity);
    text->bytes = grown;
    text->capacity = capacity;
  }
  if (length) memcpy(text->bytes + text->length, bytes, length);
  text->length += length;
  text->bytes[text->length] = 0;
  return GM_OK;
}

gm_status gm_text_append_string(gm_text *text, const char *string, gm_error *err) {
  return gm_text_append(text, string, strlen(string), err);
}

gm_status gm_text_append_valid(gm_text *out, const char *bytes, size_t n, gm_error *err) {
  size_t begin = 0; /* of the valid run */
  for (size_t i = 0; i < n;) {
    uint32_t code;
    size_t length = gm_utf8_read(bytes + i, n - i, &code);
    if (length) {
      i += length;
      continue;
    }
    GM_TRY(gm_text_append(out, bytes + begin, i - begin, err));
    GM_TRY(gm_text_append_string(out, GM_UTF8_REPLACEMENT, err));
    begin = ++i;
  }
  return gm_text_append(out, bytes ? bytes + begin : "", n - begin, err);
}

void gm_text_free(gm_text *text) {
  free(text->bytes);
  *text = (gm_text){0};
}

gm_status gm_ids_append(gm_ids *ids, int32_t id, gm_error *err) {
  assert(ids->n <= ids->capacity);
  if (ids->n == ids->capacity) {
    size_t capacity = ids->capacity ? ids->capacity : 32, bytes;
    if (!gm_mul_size(capacity, 2, &capacity) ||
        !gm_mul_size(capacity, sizeof *ids->ids, &bytes))
      return gm_fail_memory(err, "token ids", ids->n);
    int32_t *grown = realloc(ids->ids, bytes);
    if (!grown) return gm_fail_memory(err, "token ids", bytes);
    ids->ids = grown;
    ids->capacity = capacity;
  }
  ids->ids[ids->n++] = id;
  return GM_OK;
}

void gm_ids_free(gm_ids *ids) {
  free(ids->ids);
  *ids = (gm_ids){0};
}
