/* class_choice.h - how CLIP is to choose among classes, as users say it: options of the
 * program, members of a request. */
#ifndef OUT_CLASS_CHOICE_H
#define OUT_CLASS_CHOICE_H

#include "gromatic.h"

typedef struct out_class_choice {
  const char *dashes; /* before the names of options in messages: "--", or "" */
  gm_method method;
  const char *preset;       /* published settings of a data set; NULL: none */
  const char *const *names; /* [n_names]; none: those of descriptions */
  size_t n_names;
  /* Contents of files; NULL: not given. */
  const char *descriptions, *templates, *descriptors, *words;
  uint64_t crops;                 /* UINT64_MAX: not given */
  double alpha, beta;             /* below 0: not given */
  bool dedup;                     /* with its own thresholds, unless they are given */
  double dedup_iou, dedup_cosine; /* below 0: not given */
  double image_scale, text_scale; /* NAN: not given */
  uint32_t draws, redraws;        /* 0: not given */
  double stop;                    /* 0: look at all crops */
  uint64_t seed;
} out_class_choice;

/* Nothing is given. */
out_class_choice out_class_choice_default(void);

/* *twice = a name that is there twice (as gm_name_compare has it), or NULL. False: no memory.
 */
bool out_name_twice(const char *const *names, size_t n, const char **twice);

/* Whether the method looks at crops of the picture. */
bool out_has_crops(gm_method method);

/* The crops: what the choice does not say is the preset's, the region's or the method's.
 * GM_ERR_ARGUMENT: an unknown preset, or alpha and beta that do not fit together. */
gm_status out_choice_view(const out_class_choice *choice, bool of_region, gm_view_params *out,
                          gm_error *err);
/* The scoring. */
gm_classify_params out_choice_scoring(const out_class_choice *choice);
/* Encodes the classes. Without descriptions, wca and wca-released use the label prompt of each
 * class. GM_ERR_ARGUMENT where the method lacks what it needs, and as gm_classes_create. */
gm_status out_choice_classes(const out_class_choice *choice, gm_clip *clip,
                             const gm_callbacks *callbacks, gm_classes **out, gm_error *err);

#endif
