/* fuzz_llama_tokenizer.c - any text through LLaMA's tokenizer and back. The first byte: 1 lets
 * the text hold added tokens. */
#include "support.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size == 0 || size > 1 << 16) return 0;
  const gm_llama_tokenizer *tokenizer = fuzz_tokenizer();
  const size_t n_tokens = gm_llama_tokenizer_vocabulary(tokenizer)->n;
  bool parse = bytes[0] & 1;
  gm_ids ids = {0};
  fuzz_check(gm_llama_encode(tokenizer, (const char *)bytes + 1, size - 1, parse, &ids, NULL) ==
             GM_OK);
  for (size_t i = 0; i < ids.n; i++) {
    fuzz_check(ids.ids[i] >= 0 && (size_t)ids.ids[i] < n_tokens);
    /* Text that is not parsed cannot forge a token. */
    fuzz_check(parse || !gm_llama_token_is_added(tokenizer, ids.ids[i]));
  }
  gm_text text = {0};
  fuzz_check(gm_llama_decode(tokenizer, ids.ids, ids.n, &text, NULL) == GM_OK);
  fuzz_check(fuzz_is_text(text.bytes, text.length));
  gm_text_free(&text);
  gm_ids_free(&ids);
  return 0;
}
