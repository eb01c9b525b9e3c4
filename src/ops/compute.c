/* compute.c - see compute.h. */
#include "compute.h"

#include "checked.h"

void *gm_scratch(gm_compute *c, size_t bytes, const char *what) {
  void *block = gm_arena_alloc(&c->arena, bytes);
  if (!block) (void)gm_fail_memory(c->err, what, bytes);
  return block;
}

float *gm_scratch_f32(gm_compute *c, size_t n, const char *what) {
  size_t bytes;
  if (!gm_mul_size(n, sizeof(float), &bytes)) {
    (void)gm_fail_memory(c->err, what, SIZE_MAX);
    return NULL;
  }
  return gm_scratch(c, bytes, what);
}

gm_status gm_poll(gm_compute *c) {
  if (c->visit) c->visit(c->visit_user);
  if (c->cancelled && c->cancelled(c->cancel_user))
    return gm_fail(c->err, GM_ERR_CANCELLED, "cancelled by the caller");
  return GM_OK;
}
