/* checkpoint_target.h - the body of the targets that open a checkpoint file: every accepted
 * tensor is read, in pieces. */
#ifndef GM_FUZZ_CHECKPOINT_TARGET_H
#define GM_FUZZ_CHECKPOINT_TARGET_H

#include "checkpoint.h"
#include "support.h"

static inline void fuzz_checkpoint(gm_checkpoint_opener *open, const uint8_t *bytes,
                                   size_t size) {
  gm_checkpoint *c = NULL;
  gm_error err = {0};
  gm_status status = open(&c, fuzz_file(bytes, size), &err);
  fuzz_check((status == GM_OK) == (c != NULL));
  fuzz_check(status == GM_OK || err.message[0]);
  for (size_t i = 0; c && i < c->n_tensors; i++) {
    float piece[100];
    fuzz_check(gm_checkpoint_find(c, c->tensors[i].name) == i);
    size_t n = c->tensors[i].n_elements;
    /* No tensor is larger than the file that it came from. */
    fuzz_check(n <= size);
    for (size_t first = 0; first < n; first += 96)
      gm_checkpoint_read(c, i, first, n - first < 96 ? n - first : 96, piece, NULL);
  }
  gm_checkpoint_close(c);
}

#endif
