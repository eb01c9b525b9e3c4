/* clip_support.h - CLIP models for the tests, and the goldens' JSON. */
#ifndef GM_CLIP_SUPPORT_H
#define GM_CLIP_SUPPORT_H

#include "interface.h"

#include "clip.h"

#include <jansson.h>

/* A converted checkpoint, loaded, and a gm_compute for it. */
typedef struct clip_fixture {
  gm_model_file *file;
  gm_clip_model *model;
  gm_compute compute;
  gm_error err;
} clip_fixture;

/* source: a checkpoint's path; type: as in gm_convert_params. */
void clip_fixture_open(clip_fixture *f, const char *source, const char *type);
void clip_fixture_close(clip_fixture *f);

/* tests/data/PATH as JSON; fails the test if absent. json_decref it. */
json_t *test_json(const char *path);
gm_image *test_image(const char *path);
/* The strings of an array; free() the list. */
const char **test_strings(const json_t *array, size_t *n);
/* A whole text file of tests/data, NUL-terminated; free() it. */
char *test_text(const char *path);

/* Rows golden[n][4] x1 y1 x2 y2 as crops; free() them. */
gm_crop *golden_crops(golden *g, const char *name, size_t *n);

#endif
