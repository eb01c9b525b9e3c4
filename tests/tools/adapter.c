/* adapter.c - writes an adapter as the trainer does, for other readers of GGUF:
 * adapter BASE.gguf OUT.gguf TYPE (f32, f16). Its numbers are 1/8, 2/8, 3/8, ... in the order
 * of its parts, which are a pair of a language model's matrix, a difference to a vector and one
 * to a matrix whose name is too long with an ending. */
#include "adapter.h"

#include <stdio.h>

int main(int argc, char **argv) {
  gm_error err;
  gm_type type;
  gm_model_file *base;
  char vocabulary[65], header[65];
  static float values[8192];
  for (size_t i = 0; i < 8192; i++) values[i] = (float)(i % 1000 + 1) / 8;
  if (argc != 4 || !gm_type_from_name(argv[3], &type)) return 2;
  if (gm_model_file_open(&base, argv[1], true, false, &err) != GM_OK) return 1;
  gm_status status = gm_adapter_tie(base, vocabulary, header, &err);
  gm_model_file_close(base);
  const gm_adapter_part parts[] = {
      {.name = "llm.model.layers.0.mlp.down_proj.weight",
       .rank = 3,
       .rows = 192,
       .columns = 512,
       .a = values,
       .b = values + 1536},
      {.name = "llm.model.norm.weight",
       .n_dims = 1,
       .shape = {192, 1, 1, 1},
       .difference = values + 2112},
      {.name = "perceiver.ddetr_transformer.decoder.layers.0.encoder_attn.attention_weights."
               "weight",
       .n_dims = 2,
       .shape = {16, 96, 1, 1},
       .difference = values + 2304},
  };
  const gm_adapter_head head = {"written", "groma", 6, vocabulary, header, NULL, NULL};
  if (status == GM_OK) status = gm_adapter_write(argv[2], &head, parts, 3, type, &err);
  if (status != GM_OK) fprintf(stderr, "%s\n", err.message);
  return status != GM_OK;
}
