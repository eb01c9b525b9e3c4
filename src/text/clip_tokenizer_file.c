/* clip_tokenizer_file.c - see clip_tokenizer_file.h. */
#include "clip_tokenizer_file.h"

#include <string.h>

static gm_status read_id(const gm_model_file *file, const char *key, size_t n, int32_t *out,
                         gm_error *err) {
  uint32_t id;
  GM_TRY(gm_model_file_u32(file, key, 0, (uint32_t)n - 1, &id, err));
  *out = (int32_t)id;
  return GM_OK;
}

static gm_status check_keys(const gm_model_file *file, gm_error *err) {
  static const char *const known[] = {
      "tokenizer.ggml.model",
      "tokenizer.ggml.tokens",
      "tokenizer.ggml.merges",
      "tokenizer.ggml.bos_token_id",
      "tokenizer.ggml.eos_token_id",
      "tokenizer.ggml.padding_token_id",
      NULL,
  };
  const char *model = "clip";
  if (gm_model_file_has_key(file, known[0]))
    GM_TRY(gm_model_file_string(file, known[0], &model, err));
  if (strcmp(model, "clip") == 0)
    return gm_model_file_known_keys(file, "tokenizer.", known, err);
  return gm_fail(err, GM_ERR_MODEL, "%s: key %s: found \"%.40s\", wanted \"clip\"",
                 gm_model_file_name(file), known[0], model);
}

gm_status gm_clip_tokenizer_from_file(gm_clip_tokenizer **out, const gm_model_file *file,
                                      size_t n, gm_error *err) {
  *out = NULL;
  gm_clip_vocabulary v = {0};
  GM_TRY(check_keys(file, err));
  GM_TRY(gm_model_file_string_array(file, "tokenizer.ggml.tokens", &v.tokens, &v.n, err));
  GM_TRY(
      gm_model_file_string_array(file, "tokenizer.ggml.merges", &v.merges, &v.n_merges, err));
  if (v.n == 0 || v.n != n || v.n > GM_CLIP_MAX_TOKENS)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: found %zu tokens, but the token embedding has %zu rows; wanted as many "
                   "of both, 1 to %d",
                   gm_model_file_name(file), v.n, n, (int)GM_CLIP_MAX_TOKENS);
  GM_TRY(read_id(file, "tokenizer.ggml.bos_token_id", v.n, &v.start_id, err));
  GM_TRY(read_id(file, "tokenizer.ggml.eos_token_id", v.n, &v.end_id, err));
  GM_TRY(read_id(file, "tokenizer.ggml.padding_token_id", v.n, &v.pad_id, err));
  gm_status status = gm_clip_tokenizer_create(out, &v, err);
  return status ? gm_fail_prefix(err, status, "%s", gm_model_file_name(file)) : GM_OK;
}
