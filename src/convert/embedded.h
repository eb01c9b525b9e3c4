/* embedded.h - files linked into the library: whole models as GGUF, made at build time from the
 * checkpoints of models/, and the vocabulary of synthetic models. */
#ifndef GM_EMBEDDED_H
#define GM_EMBEDDED_H

#include <stdbool.h>
#include <stddef.h>

typedef struct gm_embedded {
  const char *name;
  const void *bytes; /* 64-byte aligned, for the life of the program */
  size_t size;
  bool is_model;
} gm_embedded;

/* The i-th one; false past the last. */
bool gm_embedded_at(size_t i, gm_embedded *out);
/* By name; false if there is none. */
bool gm_embedded_find(const char *name, gm_embedded *out);

#endif
