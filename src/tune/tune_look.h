/* tune_look.h - one look at an annotated picture, as a step of tuning sees it: pixels and
 * boxes, perhaps cut to a part and mirrored. */
#ifndef GM_TUNE_LOOK_H
#define GM_TUNE_LOOK_H

#include "arena.h"
#include "gromatic_train.h"
#include "pixels.h"
#include "regions.h"
#include "rng.h"

typedef struct gm_look_phrase {
  gm_rel_box box;
  const char *text;
} gm_look_phrase;

typedef struct gm_look {
  const gm_tune_picture *picture;
  float *pixels; /* [3, S, S], the caller's; NULL: not read */
  bool mirrored;
  float width, height; /* of the part that is seen, in pixels of the picture */
  gm_rel_box *boxes;   /* [n] of objects that are seen */
  uint32_t *objects;   /* [n] which they are */
  const int32_t
      *classes; /* [picture->n_objects] of the class head, -1: none; NULL: no classes */
  size_t n;
  gm_look_phrase *phrases; /* [n_phrases] */
  size_t n_phrases;
} gm_look;

typedef enum gm_look_how {
  GM_LOOK_WHOLE,
  GM_LOOK_MIRRORED, /* whole, too */
  GM_LOOK_DRAWN     /* perhaps a part, perhaps mirrored, as rng says */
} gm_look_how;

/* Lists go to the arena. A part is cut only along lines that leave each object almost whole or
 * almost out; mirrored texts have left and right exchanged. pixels[3, side, side]. Errors:
 * those of gm_image_open, GM_ERR_MEMORY. */
gm_status gm_look_make(gm_look *out, const gm_tune_picture *picture, gm_look_how how,
                       gm_rng *rng, size_t side, const gm_pixel_norm *norm, float *pixels,
                       gm_arena *arena, gm_error *err);
/* The same of a whole picture whose size is known, without pixels. GM_ERR_MEMORY. */
gm_status gm_look_boxes(gm_look *out, const gm_tune_picture *picture, float width, float height,
                        bool mirrored, gm_arena *arena, gm_error *err);

/* The text with the words left and right exchanged, in the arena; NULL: memory is short. */
const char *gm_mirrored_text(const char *text, gm_arena *arena);

#endif
