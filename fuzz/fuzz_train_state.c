/* fuzz_train_state.c - a training state of two small tensors, read as it is and then with its
 * size and sum made right. What is refused changes nothing. */
#include "support.h"

#include "bytes.h"
#include "gguf_write.h"
#include "sum64.h"
#include "train_state.h"

#include <stdlib.h>
#include <string.h>

enum { SIZE_AT = 8, SUM = 8 };

static const char run[65] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/* Over a model without tensors, of three added ones; kept to the end. */
static gm_params *params(void) {
  static gm_params *made;
  if (made) return made;
  gm_gguf_writer *writer;
  gm_model_file *file;
  fuzz_check(gm_gguf_writer_create(&writer, NULL, NULL) == GM_OK);
  gm_gguf_put_string(writer, "general.architecture", "groma");
  fuzz_check(gm_gguf_begin(writer, NULL) == GM_OK);
  fuzz_check(gm_gguf_finish_model(writer, &file, "fuzz", NULL) == GM_OK);
  gm_gguf_writer_free(writer);
  fuzz_check(gm_params_create(&made, file, NULL, 0, false, 0, NULL) == GM_OK);
  fuzz_check(gm_params_add(made, "a", "x", 1, (size_t[]){3}, NULL, NULL, NULL) == GM_OK);
  fuzz_check(gm_params_add(made, "bc", "x", 2, (size_t[]){2, 1}, NULL, NULL, NULL) == GM_OK);
  return made;
}

static void parse(const uint8_t *bytes, size_t size) {
  static gm_optimiser optimiser;
  gm_train_state state = {run, params(), &optimiser, NULL, 0};
  gm_error err = {.message = ""};
  gm_param *all = state.params->all;
  for (size_t i = 0; i < state.params->n; i++) all[i].value[0] = 7;
  optimiser.updates = all[0].steps = 7;
  gm_status status = gm_train_state_parse(&state, bytes, size, "fuzz", &err);
  if (status == GM_OK) {
    fuzz_check(state.place_bytes <= GM_MAX_PLACE);
    fuzz_touch(state.place, state.place_bytes);
    for (size_t i = 0; i < state.params->n; i++)
      fuzz_touch(all[i].value, all[i].n * sizeof(float));
  } else {
    fuzz_check(status == GM_ERR_MODEL && err.message[0]);
    fuzz_check(!state.place && optimiser.updates == 7 && all[0].steps == 7);
    fuzz_check(all[0].value[0] == 7 && all[1].value[0] == 7);
  }
  free(state.place);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  parse(bytes, size);
  if (size < SIZE_AT + 8 + SUM) return 0;
  uint8_t *copy = malloc(size);
  fuzz_check(copy != NULL);
  memcpy(copy, bytes, size);
  gm_put_le(copy + SIZE_AT, size, 8);
  gm_put_le(copy + size - SUM, gm_sum64(copy, size - SUM), SUM);
  parse(copy, size);
  free(copy);
  return 0;
}
