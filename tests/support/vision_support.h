/* vision_support.h - Groma's vision stages against a golden file, stage by stage. */
#ifndef GM_VISION_SUPPORT_H
#define GM_VISION_SUPPORT_H

#include "interface.h"

#include "compute.h"
#include "model_file.h"

/* Converts a checkpoint directory to type ("f32", ...) and returns the file's bytes, aligned
 * for gm_model_file_from_memory; free() them. Fails the test on any error. */
unsigned char *converted_bytes(const char *directory, const char *type, size_t *size);
/* The same, opened. */
gm_model_file *converted_model(const char *directory, const char *type);

/* A golden file keeps every n-th entry of each array; these are the n. */
typedef struct vision_slices {
  size_t tokens;                    /* rows of hidden states, ddetr_src, ddetr_encoder */
  size_t map_channels, map_side;    /* fused_levelK */
  size_t states;                    /* rows of ddetr_decoder */
  size_t features;                  /* columns of region_features */
  size_t image_rows, image_columns; /* image_tokens */
} vision_slices;

/* The two kinds of tests/data/golden. */
extern const vision_slices vision_slices_small, vision_slices_synthetic;

/* Runs all vision stages on the picture that golden/NAME.json names (looked up in `pictures`,
 * below tests/data) and compares each with golden/NAME.safetensors: within 1e-3 of the largest
 * value that the golden keeps of the stage; chosen regions equal, in order. Each stage gets our
 * own values of the stage before. Prints the error of every stage; returns the most bytes of
 * scratch in use at once. */
size_t check_vision_golden(const gm_model_file *file, const char *name, const char *pictures,
                           const vision_slices *slices);

#endif
