/* embedded_files.c - the list of embedded files; the bytes are in embedded_files.S. */
#include "embedded_worlds.h"

#define FILES(X)                                                                               \
  X("groma-mini", gm_groma_mini, true, &gm_groma_mini_world)                                   \
  X("clip-mini", gm_clip_mini, true, &gm_clip_mini_world)                                      \
  X("clip-merges.gz", gm_clip_merges, false, NULL)                                             \
  X("llama-tokenizer.model", gm_llama_tokenizer_model, false, NULL)                            \
  X("groma-added-tokens.json", gm_groma_added_tokens, false, NULL)

#define X(name, symbol, is_model, world) extern const unsigned char symbol[], symbol##_end[];
FILES(X)
#undef X

bool gm_embedded_at(size_t i, gm_embedded *out) {
  const gm_embedded files[] = {
#define X(name, symbol, is_model, world)                                                       \
  {name, symbol, (size_t)(symbol##_end - symbol), is_model, world},
      FILES(X)
#undef X
  };
  if (i >= sizeof files / sizeof files[0]) return false;
  *out = files[i];
  return true;
}
