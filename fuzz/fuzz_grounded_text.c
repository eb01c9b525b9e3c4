/* fuzz_grounded_text.c - an answer of any ids, as a model might give them: the first byte is
 * the number of regions, then two bytes per id. */
#include "support.h"

#include "grounded_text.h"

#include <string.h>

static void append(void *user, const char *text, size_t length) {
  fuzz_check(length > 0 && fuzz_is_text(text, length));
  fuzz_check(gm_text_append(user, text, length, NULL) == GM_OK);
}

static void check_phrases(const gm_grounded_text *g) {
  for (size_t i = 0; i < g->n_phrases; i++) {
    const gm_grounded_phrase *p = &g->phrases[i];
    fuzz_check(p->begin <= p->end && p->end <= g->text.length);
    fuzz_check(p->n_regions >= 1 && p->first_region + p->n_regions <= g->regions.n);
    fuzz_check(i == 0 || g->phrases[i - 1].end <= p->begin);
    fuzz_check(fuzz_is_text(g->text.bytes + p->begin, p->end - p->begin));
  }
  for (size_t i = 0; i < g->regions.n; i++)
    fuzz_check(g->regions.ids[i] >= 0 && (size_t)g->regions.ids[i] < g->params.n_regions);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size == 0) return 0;
  const gm_llama_tokenizer *tokenizer = fuzz_tokenizer();
  const size_t n_tokens = gm_llama_tokenizer_vocabulary(tokenizer)->n;
  gm_text streamed = {0};
  gm_grounded_text g;
  gm_grounded_text_params params = {
      .tokenizer = tokenizer, .n_regions = bytes[0] % 12, .text = append, .user = &streamed};
  fuzz_check(gm_grounded_text_begin(&g, &params, NULL) == GM_OK);
  for (size_t i = 1; i + 1 < size; i += 2) {
    size_t id = (size_t)(bytes[i] | bytes[i + 1] << 8) % n_tokens;
    fuzz_check(gm_grounded_text_push(&g, (int32_t)id, NULL) == GM_OK);
  }
  fuzz_check(gm_grounded_text_finish(&g, NULL) == GM_OK);
  fuzz_check(streamed.length == g.text.length);
  fuzz_check(streamed.length == 0 ||
             memcmp(streamed.bytes, g.text.bytes, streamed.length) == 0);
  check_phrases(&g);
  gm_grounded_text_free(&g);
  gm_text_free(&streamed);
  return 0;
}
