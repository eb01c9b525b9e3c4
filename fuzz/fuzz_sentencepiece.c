/* fuzz_sentencepiece.c - tokenizer.model: an accepted model must make a tokenizer that works,
 * or be refused with a message. */
#include "support.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static const char *const added[] = {"<roi>", "</roi>"};
  static const char text[] = "a b <roi> \xc3\xa9";
  gm_sentencepiece_model model;
  gm_error err = {0};
  gm_status status = gm_sentencepiece_parse(&model, bytes, size, &err);
  fuzz_check(status == GM_OK || (status == GM_ERR_MODEL && err.message[0]));
  if (status != GM_OK) return 0;
  gm_llama_vocabulary vocabulary;
  gm_llama_tokenizer *tokenizer;
  if (gm_llama_vocabulary_join(&vocabulary, &model, added, 2, &err) == GM_OK) {
    if (gm_llama_tokenizer_create(&tokenizer, &vocabulary, &err) == GM_OK) {
      gm_ids ids = {0};
      gm_llama_encode(tokenizer, text, strlen(text), true, &ids, &err);
      for (size_t i = 0; i < ids.n; i++)
        fuzz_check(ids.ids[i] >= 0 && (size_t)ids.ids[i] < vocabulary.n);
      gm_ids_free(&ids);
      gm_llama_tokenizer_free(tokenizer);
    }
    gm_llama_vocabulary_free(&vocabulary);
  }
  gm_sentencepiece_free(&model);
  return 0;
}
