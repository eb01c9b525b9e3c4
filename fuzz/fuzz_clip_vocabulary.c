/* fuzz_clip_vocabulary.c - the files of CLIP's tokenizer. First byte 0: the input is a packed
 * merges file; else vocab.json, a NUL, merges.txt. */
#include "support.h"

#include "clip_tokenizer.h"

#include <string.h>

static gm_status read_vocabulary(gm_clip_vocabulary *v, const uint8_t *bytes, size_t size,
                                 gm_error *err) {
  const char *text = (const char *)bytes + 1;
  size_t n = size - 1;
  if (bytes[0] == 0) return gm_clip_vocabulary_from_merges_gz(v, text, n, err);
  size_t vocab = strnlen(text, n), merges = vocab < n ? vocab + 1 : n;
  return gm_clip_vocabulary_from_files(v, text, vocab, text + merges, n - merges, NULL, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size == 0) return 0;
  gm_clip_vocabulary vocabulary;
  gm_clip_tokenizer *tokenizer;
  gm_error err = {0};
  gm_status status = read_vocabulary(&vocabulary, bytes, size, &err);
  fuzz_check(status == GM_OK || err.message[0]);
  if (status != GM_OK) return 0;
  if (gm_clip_tokenizer_create(&tokenizer, &vocabulary, &err) == GM_OK) {
    gm_ids ids = {0};
    gm_clip_encode(tokenizer, "a b", 3, GM_CLIP_PLAIN, &ids, &err);
    for (size_t i = 0; i < ids.n; i++)
      fuzz_check(ids.ids[i] >= 0 && (size_t)ids.ids[i] < vocabulary.n);
    gm_ids_free(&ids);
    gm_clip_tokenizer_free(tokenizer);
  }
  gm_clip_vocabulary_free(&vocabulary);
  return 0;
}
