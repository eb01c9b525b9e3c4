/* embedded_files.c - the list of what is linked in; the bytes are in embedded_files.S. */
#include "embedded.h"

#define FILES(X)                                                                               \
  X("groma-mini", gm_groma_mini, true)                                                         \
  X("clip-mini", gm_clip_mini, true)                                                           \
  X("clip-merges.gz", gm_clip_merges, false)                                                   \
  X("llama-tokenizer.model", gm_llama_tokenizer_model, false)                                  \
  X("groma-added-tokens.json", gm_groma_added_tokens, false)

#define X(name, symbol, is_model) extern const unsigned char symbol[], symbol##_end[];
FILES(X)
#undef X

bool gm_embedded_at(size_t i, gm_embedded *out) {
  const gm_embedded files[] = {
#define X(name, symbol, is_model) {name, symbol, (size_t)(symbol##_end - symbol), is_model},
      FILES(X)
#undef X
  };
  if (i >= sizeof files / sizeof files[0]) return false;
  *out = files[i];
  return true;
}
