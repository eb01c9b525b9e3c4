/* tensor_names.c - see tensor_names.h. */
#include "tensor_names.h"

#include <stdio.h>
#include <string.h>

/* The table of docs/FORMAT.md. */
static const struct {
  const char *upstream, *ours;
} prefixes[] = {
    {"perceiver.ddetr_transformer.", "ddetr."},
    {"perceiver.vis_encoder.", "dinov2."},
};

bool gm_tensor_short_name(const char *upstream, char out[GM_GGUF_NAME_SIZE]) {
  size_t length = strlen(upstream);
  if (length < GM_GGUF_NAME_SIZE) {
    memcpy(out, upstream, length + 1);
    return true;
  }
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
    size_t n = strlen(prefixes[i].upstream);
    if (strncmp(upstream, prefixes[i].upstream, n) != 0) continue;
    int written = snprintf(out, GM_GGUF_NAME_SIZE, "%s%s", prefixes[i].ours, upstream + n);
    return written > 0 && written < GM_GGUF_NAME_SIZE;
  }
  return false;
}

void gm_tensor_upstream_name(const char *name, char *out, size_t capacity) {
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
    size_t n = strlen(prefixes[i].ours);
    if (strncmp(name, prefixes[i].ours, n) != 0) continue;
    snprintf(out, capacity, "%s%s", prefixes[i].upstream, name + n);
    return;
  }
  snprintf(out, capacity, "%s", name);
}
