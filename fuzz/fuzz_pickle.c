/* fuzz_pickle.c - the pickle of a PyTorch archive alone, without the ZIP around it that
 * mutations would break first. The first byte says whether it is a TorchScript archive's. */
#include "support.h"

#include "torch_pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size == 0) return 0;
  gm_arena arena = {0};
  gm_error err = {0};
  const gm_pickle_value *root;
  gm_status status = gm_torch_unpickle(&root, bytes + 1, size - 1, bytes[0] & 1, &arena, &err);
  fuzz_check(status == GM_OK || (status == GM_ERR_MODEL && err.message[0]));
  if (status == GM_OK) fuzz_check((unsigned)root->kind <= GM_PICKLE_OBJECT);
  gm_arena_free(&arena);
  return 0;
}
