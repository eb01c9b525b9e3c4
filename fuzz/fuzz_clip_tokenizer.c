/* fuzz_clip_tokenizer.c - any text through CLIP's cleaning and tokenizer. The first byte: 1
 * parses special tokens as upstream does. */
#include "support.h"

#include "clip_tokenizer.h"

#include <stdlib.h>

enum { CONTEXT = 32 };

static gm_clip_tokenizer *tokenizer;
static int32_t start_id, end_id, pad_id;
static size_t n_tokens;

static void open_tokenizer(void) {
  size_t vocab_size, merges_size;
  char *vocab = fuzz_read_file(GM_MODELS "/clip-mini/vocab.json", &vocab_size);
  char *merges = fuzz_read_file(GM_MODELS "/clip-mini/merges.txt", &merges_size);
  gm_clip_vocabulary v;
  fuzz_check(gm_clip_vocabulary_from_files(&v, vocab, vocab_size, merges, merges_size, NULL,
                                           NULL) == GM_OK);
  fuzz_check(gm_clip_tokenizer_create(&tokenizer, &v, NULL) == GM_OK);
  start_id = v.start_id;
  end_id = v.end_id;
  pad_id = v.pad_id;
  n_tokens = v.n;
  gm_clip_vocabulary_free(&v);
  free(vocab);
  free(merges);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size == 0 || size > 1 << 16) return 0;
  if (!tokenizer) open_tokenizer();
  const char *text = (const char *)bytes + 1;
  gm_clip_parsing parsing = bytes[0] & 1 ? GM_CLIP_AS_UPSTREAM : GM_CLIP_PLAIN;
  gm_ids ids = {0};
  fuzz_check(gm_clip_encode(tokenizer, text, size - 1, parsing, &ids, NULL) == GM_OK);
  for (size_t i = 0; i < ids.n; i++) {
    fuzz_check(ids.ids[i] >= 0 && (size_t)ids.ids[i] < n_tokens);
    /* A user's text cannot forge a token. */
    if (parsing == GM_CLIP_PLAIN) fuzz_check(ids.ids[i] != start_id && ids.ids[i] != end_id);
  }
  int32_t row[CONTEXT];
  size_t used;
  fuzz_check(gm_clip_encode_context(tokenizer, text, size - 1, parsing, row, CONTEXT, &used,
                                    NULL) == GM_OK);
  fuzz_check(used == (ids.n + 2 < CONTEXT ? ids.n + 2 : CONTEXT));
  fuzz_check(row[0] == start_id && row[used - 1] == end_id);
  for (size_t i = used; i < CONTEXT; i++) fuzz_check(row[i] == pad_id);
  gm_ids_free(&ids);
  return 0;
}
