/* fuzz_torch.c - a PyTorch archive: ZIP directory, pickle, strided views. */
#include "checkpoint_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  fuzz_checkpoint(gm_torch_open, bytes, size);
  return 0;
}
