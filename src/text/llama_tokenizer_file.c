/* llama_tokenizer_file.c - see llama_tokenizer_file.h. */
#include "llama_tokenizer_file.h"

#include <string.h>

static gm_status read_id(const gm_model_file *file, const char *key, size_t n, int32_t *out,
                         gm_error *err) {
  *out = -1;
  if (!gm_model_file_has_key(file, key)) return GM_OK;
  uint32_t id;
  GM_TRY(gm_model_file_u32(file, key, 0, (uint32_t)n - 1, &id, err));
  *out = (int32_t)id;
  return GM_OK;
}

/* Checks keys that, if present, must have one certain value. */
static gm_status check_ways(const gm_model_file *file, gm_error *err) {
  static const char *const known[] = {
      "tokenizer.ggml.model",
      "tokenizer.ggml.tokens",
      "tokenizer.ggml.scores",
      "tokenizer.ggml.token_type",
      "tokenizer.ggml.bos_token_id",
      "tokenizer.ggml.eos_token_id",
      "tokenizer.ggml.unknown_token_id",
      "tokenizer.ggml.padding_token_id",
      "tokenizer.ggml.add_bos_token",
      "tokenizer.ggml.add_space_prefix",
      NULL,
  };
  static const char *const on[] = {"tokenizer.ggml.add_bos_token",
                                   "tokenizer.ggml.add_space_prefix"};
  const char *model = "llama";
  if (gm_model_file_has_key(file, known[0]))
    GM_TRY(gm_model_file_string(file, known[0], &model, err));
  if (strcmp(model, "llama") != 0)
    return gm_fail(err, GM_ERR_MODEL, "%s: key %s: found \"%.40s\", wanted \"llama\"",
                   gm_model_file_name(file), known[0], model);
  for (size_t i = 0; i < sizeof on / sizeof on[0]; i++) {
    bool value = true;
    if (gm_model_file_has_key(file, on[i]))
      GM_TRY(gm_model_file_bool(file, on[i], &value, err));
    if (!value)
      return gm_fail(err, GM_ERR_MODEL, "%s: key %s: found false; only true is computed",
                     gm_model_file_name(file), on[i]);
  }
  return gm_model_file_known_keys(file, "tokenizer.", known, err);
}

gm_status gm_llama_tokenizer_from_file(gm_llama_tokenizer **out, const gm_model_file *file,
                                       gm_error *err) {
  *out = NULL;
  gm_llama_vocabulary v;
  size_t n_scores, n_types;
  GM_TRY(check_ways(file, err));
  GM_TRY(gm_model_file_string_array(file, "tokenizer.ggml.tokens", &v.pieces, &v.n, err));
  GM_TRY(gm_model_file_f32_array(file, "tokenizer.ggml.scores", &v.scores, &n_scores, err));
  GM_TRY(gm_model_file_i32_array(file, "tokenizer.ggml.token_type", &v.types, &n_types, err));
  if (v.n == 0 || v.n > GM_LLAMA_MAX_TOKENS || n_scores != v.n || n_types != v.n)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: %zu tokens, %zu scores, %zu token types; want as many of each, 1 to %d",
                   gm_model_file_name(file), v.n, n_scores, n_types, GM_LLAMA_MAX_TOKENS);
  GM_TRY(read_id(file, "tokenizer.ggml.bos_token_id", v.n, &v.bos_id, err));
  GM_TRY(read_id(file, "tokenizer.ggml.eos_token_id", v.n, &v.eos_id, err));
  GM_TRY(read_id(file, "tokenizer.ggml.unknown_token_id", v.n, &v.unk_id, err));
  gm_status status = gm_llama_tokenizer_create(out, &v, err);
  return status ? gm_fail_prefix(err, status, "%s", gm_model_file_name(file)) : GM_OK;
}
