/* label_head.h - the small head that says how likely the name that a region got is right: a
 * logistic function of a few signals, kept as keys of a CLIP's or an adapter's file
 * (docs/FORMAT.md).
 *
 *   signals -> x = (signal - mean) * scale, within +-GM_LABEL_MOST -> z = w x + b
 *   present = 1 / (1 + exp(-z))
 *
 * A region whose `present` is below the head's limit gets no name. */
#ifndef GM_LABEL_HEAD_H
#define GM_LABEL_HEAD_H

#include "gguf_write.h"
#include "model_file.h"

/* What is known of a region once its classes have scores. The best class is that of the highest
 * raw score; n is the number of classes. */
typedef enum gm_label_signal {
  GM_LABEL_BEST,    /* raw score of the best class */
  GM_LABEL_CLASSES, /* ln n */
  GM_LABEL_CHANCE,  /* the best score, less what the best of n would have by chance */
  GM_LABEL_MARGIN,  /* the best score, less the second's; of one class alone, its score */
  GM_LABEL_LEAD,    /* ln of the share of the best class in the softmax over all */
  GM_LABEL_WHOLE,   /* cosine of the region as a whole with the best class */
  GM_LABEL_LEAST,   /* the lowest cosine of a crop with it */
  GM_LABEL_AGREE,   /* share of the crops for which it is the best class too */
  GM_LABEL_STEADY,  /* mean cosine of the crops with the whole */
  GM_LABEL_AREA,    /* ln of the region's share of the picture */
  /* Of its pixels: 1 more than a number of levels (0 to 255), as ln. */
  GM_LABEL_COLOURS,  /* how much they differ */
  GM_LABEL_STEPS,    /* how much neighbours differ */
  GM_LABEL_CONTRAST, /* how much the middle's mean differs from the rim's */
  GM_LABEL_RIM,      /* how much those of the rim differ */
  /* Of the regions' scores. */
  GM_LABEL_OBJECT,  /* logit of the proposer's score */
  GM_LABEL_OVERLAP, /* largest IoU with a region of a higher score */
  GM_LABEL_INSIDE,  /* largest share of it within a region of a higher score */
  GM_LABEL_AROUND,  /* largest share of a region of a higher score within it */
  GM_LABEL_SIGNALS
} gm_label_signal;
enum { GM_LABEL_PLACES = GM_LABEL_OBJECT }; /* the first of those */
extern const char *const gm_label_signal_names[GM_LABEL_SIGNALS];

#define GM_LABEL_MOST 8.0F

/* Fitted to n signals, the first ones: all, or those before GM_LABEL_PLACES. */
typedef struct gm_label_unit {
  size_t n; /* 0: there is none */
  float mean[GM_LABEL_SIGNALS], scale[GM_LABEL_SIGNALS], weights[GM_LABEL_SIGNALS], bias;
  float limit; /* of `present` */
} gm_label_unit;

typedef struct gm_label_head {
  gm_label_unit units[2]; /* without and with the regions' scores */
  char method[16];        /* of the classes that it was fitted with: "wca" */
  char weights[65];       /* as in gm_present_head */
} gm_label_head;

/* *out NULL where the file has none. GM_ERR_MODEL where it is not one that can be used. Free
 * it. */
gm_status gm_label_head_read(gm_label_head **out, const gm_model_file *file, gm_error *err);
void gm_label_head_free(gm_label_head *head);
void gm_label_head_put(gm_gguf_writer *writer, const gm_label_head *head);
/* Keys that begin so are a head's. */
#define GM_LABEL_KEYS "gromatic.label."

/* `present`; 0 where a signal that it needs is not a number. */
float gm_label_present(const gm_label_unit *unit, const float *signals);

#endif
