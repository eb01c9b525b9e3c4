/* patched_model.h - groma-mini as a file in memory whose keys and weights a test may change. */
#ifndef GM_TEST_PATCHED_MODEL_H
#define GM_TEST_PATCHED_MODEL_H

#include "embedded.h"
#include "model_file.h"
#include "support.h"

typedef struct patched_model {
  char path[64]; /* for gm_model_open, as long as the patched_model is open */
  int fd;
  unsigned char *bytes; /* the file, writable in place */
  gm_embedded original;
  gm_model_file *file; /* the original file, for the tensors' places */
} patched_model;

void patched_model_open(patched_model *m);
void patched_model_close(patched_model *m);
/* Undoes all changes. */
void patched_model_reset(patched_model *m);
/* The bytes of a tensor in m->bytes. */
unsigned char *patched_model_tensor(patched_model *m, const gm_tensor *original);
/* The 4 bytes of a u32 or f32 key in m->bytes. */
unsigned char *patched_model_key(patched_model *m, const char *key);

#endif
