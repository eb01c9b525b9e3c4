/* fuzz_model_load.c - a valid GGUF file whose keys, names, shapes and types are changed:
 * groma-mini's file, patched by the input, then loaded as a model.
 *
 * The input is a list of patches of its header: u24 offset (taken modulo the header's size), u8
 * length 1..8, the bytes. So the inputs stay small, though the file has megabytes. */
#include "embedded.h"
#include "groma.h"
#include "model_file_bytes.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

typedef struct template {
  gm_embedded original;
  unsigned char *bytes; /* patched, and restored after each run */
  size_t header;
}
template;

static const template *open_template(void) {
  static template t;
  if (t.bytes) return &t;
  gm_model_file *file;
  fuzz_check(gm_embedded_find("groma-mini", &t.original));
  fuzz_check(gm_model_file_from_memory(&file, t.original.bytes, t.original.size, "template",
                                       NULL) == GM_OK);
  t.header = gm_model_file_gguf(file)->data_begin;
  gm_model_file_close(file);
  void *bytes;
  fuzz_check(posix_memalign(&bytes, 64, t.original.size) == 0);
  memcpy(bytes, t.original.bytes, t.original.size);
  t.bytes = bytes;
  return &t;
}

static void patch(const template *t, const uint8_t *input, size_t size) {
  while (size >= 5) {
    size_t offset = (input[0] | (size_t)input[1] << 8 | (size_t)input[2] << 16) % t->header;
    size_t n = input[3] % 8 + 1;
    input += 4;
    size -= 4;
    if (n > size) n = size;
    if (n > t->header - offset) n = t->header - offset;
    memcpy(t->bytes + offset, input, n);
    input += n;
    size -= n;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size > 512) return 0;
  const template *t = open_template();
  patch(t, bytes, size);
  gm_model_file *file = NULL;
  gm_groma *groma = NULL;
  gm_error err = {0};
  gm_status status =
      gm_model_file_from_memory(&file, t->bytes, t->original.size, "patched", &err);
  if (status == GM_OK) status = gm_groma_load(&groma, file, &(gm_groma_cache){0}, &err);
  fuzz_check((status == GM_OK) == (groma != NULL));
  fuzz_check(status == GM_OK || err.message[0]);
  gm_groma_free(groma);
  gm_model_file_close(file);
  memcpy(t->bytes, t->original.bytes, t->header);
  return 0;
}
