/* singles.h - pictures of one object each, as scripts/world/draw.py writes them: what they
 * show, and the cuts and sentences that CLIP learns them by. */
#ifndef GM_TRAINING_SINGLES_H
#define GM_TRAINING_SINGLES_H

#include "pixels.h"
#include "rng.h"
#include "threads.h"

typedef struct single {
  char *path;
  char *background; /* its colour */
  uint32_t class;
  bool boxed;
  double x, y, w, h; /* the object's box in pixels, if boxed */
} single;

typedef struct singles {
  single *all; /* [n] */
  size_t n;
  char **names, **groups; /* [n_classes], in the order in which they first occur */
  size_t n_classes;
} singles;

/* Reads FOLDER/singles.json. Errors: GM_ERR_IO (not such a file), GM_ERR_MEMORY. */
gm_status singles_load(singles *out, const char *folder, gm_error *err);
void singles_free(singles *set);

enum { MAX_SENTENCE = 128 };

/* What a batch has of a picture. */
typedef struct lesson {
  float *pixels; /* [3, S, S] */
  uint32_t class;
  char sentence[MAX_SENTENCE];
} lesson;

typedef struct lesson_source {
  const singles *set;
  size_t side; /* S */
  gm_pixel_norm norm;
  gm_pixel_resize resize;
  /* Pictures are cut, turned and tinted at random, and described by random sentences; else they
   * are as in inference, and the sentence is "a photo of a NAME." */
  bool change;
  double near; /* with change: share of lessons that are cut close around the object */
  uint64_t seed;
} lesson_source;

/* Fills lessons[n] (their pixels have room) with visits number first, first + 1, ...: the set
 * in an order that is drawn anew each time it has been seen. n is at most 1024. */
gm_status lessons_load(const lesson_source *source, lesson *lessons, size_t n, uint64_t first,
                       gm_pool *pool, gm_error *err);

#endif
