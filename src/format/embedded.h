/* embedded.h - files linked into the library: whole models as GGUF, made at build time from the
 * checkpoints of models/, and the vocabulary of synthetic models. */
#ifndef GM_EMBEDDED_H
#define GM_EMBEDDED_H

#include <stdbool.h>
#include <stddef.h>

/* What a model was trained on. */
typedef struct gm_embedded_world {
  const char *scope; /* "drawn emoji" */
  const float
      *rows; /* [n, dim + 1] for the picture's unlikeness (familiar.h); NULL: not known */
  size_t n, dim;
} gm_embedded_world;

typedef struct gm_embedded {
  const char *name;
  const void *bytes; /* 64-byte aligned, valid for the life of the program */
  size_t size;
  bool is_model;
  const gm_embedded_world *world; /* NULL if this is not a model */
} gm_embedded;

/* The i-th one; false past the last. */
bool gm_embedded_at(size_t i, gm_embedded *out);
/* By name; false if there is none. */
bool gm_embedded_find(const char *name, gm_embedded *out);

#endif
