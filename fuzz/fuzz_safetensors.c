/* fuzz_safetensors.c - a safetensors file: header, offsets, data. */
#include "checkpoint_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  fuzz_checkpoint(gm_safetensors_open, bytes, size);
  return 0;
}
