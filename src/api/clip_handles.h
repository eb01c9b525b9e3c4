/* clip_handles.h - the struct of gm_clip, and how a public call on it begins and ends. */
#ifndef GM_CLIP_HANDLES_H
#define GM_CLIP_HANDLES_H

#include "clip.h"
#include "feature_cache.h"
#include "opened.h"

struct gm_clip {
  gm_opened base;
  gm_clip_model *model;
  pthread_mutex_t lock;      /* of sum */
  char sum[65];              /* of the file's bytes, once it was asked for; "" before */
  char maker[65];            /* of sum and what computes, likewise */
  char vocabulary[65];       /* SHA-256 of its tokens */
  gm_label_head *own_head;   /* of its file */
  const gm_label_head *head; /* in use; NULL: none */
};

/* What names its features in the cache: the file's sum, the kernels and this library; it lives
 * as long as the clip. The sum is made with the first call. To be called between gm_clip_enter
 * and gm_engine_leave. GM_ERR_CANCELLED. */
gm_status gm_clip_maker(gm_clip *clip, const char **out, const gm_callbacks *callbacks,
                        gm_error *err);

/* GM_ERR_ARGUMENT where the classes were made with another model than this one: their vectors
 * mean nothing here, and may have another length. Two handles of equal files are one
 * model. It enters no engine, but may read both files whole. */
gm_status gm_clip_check_classes(gm_clip *clip, const gm_classes *classes,
                                const gm_callbacks *callbacks, gm_error *err);

/* What a method's view is made of where params say nothing. */
typedef struct gm_view_defaults {
  uint32_t crops;
  float alpha, beta;
} gm_view_defaults;
/* gm_view_create of params that are read, with other defaults than a picture's. crops is of the
 * methods with crops; the others have none. */
gm_status gm_view_make(gm_view **out, gm_clip *clip, const gm_image *image,
                       const gm_view_params *params, const gm_view_defaults *defaults,
                       gm_error *err);

/* A call's heavy work. See gm_engine_enter. */
gm_status gm_clip_enter(gm_clip *clip, gm_entry *entry, const gm_callbacks *callbacks,
                        gm_error *err);

#endif
