/* present_head.h - the small head that says whether the thing of a phrase is in the picture,
 * and how likely a region is the right one: logistic functions of a few signals, kept as keys
 * of a model's or an adapter's file (docs/FORMAT.md).
 *
 *   signals -> terms, each a signal or a product of two
 *   terms -> x = (term - mean) * scale, within +-GM_PRESENT_MOST -> z = w x + b
 *   present = 1 / (1 + exp(-z))
 *   score   = 1 / (1 + exp(-(s0 + s1 z + s2 ln(share / (1 - share)))))   of a region, s2 >= 0
 */
#ifndef GM_PRESENT_HEAD_H
#define GM_PRESENT_HEAD_H

#include "gguf_write.h"
#include "model_file.h"

/* What is known of a phrase once its regions have shares. Logarithms are natural. */
typedef enum gm_signal {
  GM_SIGNAL_NAMED,   /* of the region tokens' likelihood over that of </roi>, after <roi> */
  GM_SIGNAL_BEST,    /* of the best region token's probability among all tokens */
  GM_SIGNAL_MARGIN,  /* by how much its logit leads the next region's */
  GM_SIGNAL_ENTROPY, /* of the regions' shares */
  GM_SIGNAL_REGIONS, /* ln of their number */
  GM_SIGNAL_OBJECT,  /* logit of the proposer's score of the best region */
  GM_SIGNAL_WORDS,   /* ln of the phrase's number of words */
  /* Of a CLIP that looks at the best region. */
  GM_SIGNAL_COSINE, /* between the region's crop and the phrase */
  GM_SIGNAL_LEAD,   /* that cosine, less the soft maximum of those with background words */
  GM_SIGNALS
} gm_signal;
enum { GM_CLIP_SIGNALS = GM_SIGNAL_COSINE }; /* the first of those */
extern const char *const gm_signal_names[GM_SIGNALS];

#define GM_PRESENT_MOST 8.0F
enum { GM_PRESENT_MAX_WORDS = 512, GM_PRESENT_MAX_FEATURES = 4096, GM_PRESENT_TERMS = 24 };

typedef struct gm_present_term {
  gm_signal a, b; /* their product; b GM_SIGNALS: a alone */
} gm_present_term;
float gm_present_term_value(gm_present_term term, const float *signals);

/* One logistic function. */
typedef struct gm_present_unit {
  size_t n;
  gm_present_term terms[GM_PRESENT_TERMS]; /* [n] */
  float mean[GM_PRESENT_TERMS], scale[GM_PRESENT_TERMS], weights[GM_PRESENT_TERMS], bias;
  float score[3]; /* s0, s1, s2 above */
} gm_present_unit;

typedef enum gm_present_mode {
  GM_PRESENT_ONE,
  GM_PRESENT_ALL,
  GM_PRESENT_MODES
} gm_present_mode;

typedef struct gm_present_head {
  /* Without and with a CLIP. n 0: there is none. */
  gm_present_unit units[GM_PRESENT_MODES][2];
  /* The CLIP that the second ones were fitted with. */
  char clip_name[128];      /* general.name; "": none */
  char clip_vocabulary[65]; /* SHA-256 of its tokens, each with a NUL */
  size_t features;          /* D of its features */
  size_t n_words;
  float *background; /* [n_words, D] unit features of background words; owned */
  char weights[65];  /* SHA-256 of the sums of the weights that it was fitted with; "": not said
                      */
} gm_present_head;

/* Whether the file has one. */
bool gm_present_head_in(const gm_model_file *file);
/* What ties a head to weights: the SHA-256 of the entries of the file's sums; "" where it has
 * none. */
gm_status gm_present_weights(const gm_model_file *file, char out[65], gm_error *err);
/* *out NULL where the file has none. GM_ERR_MODEL where it is not one that can be used: another
 * version, unknown signals, wrong lengths, numbers that are not finite. Free it. */
gm_status gm_present_head_read(gm_present_head **out, const gm_model_file *file, gm_error *err);
void gm_present_head_free(gm_present_head *head);
void gm_present_head_put(gm_gguf_writer *writer, const gm_present_head *head);
/* Keys that begin so are a head's. */
#define GM_PRESENT_KEYS "gromatic.present."

/* z, for signals in the order of gm_signal; -HUGE_VALF where one that it needs is not a number.
 */
float gm_present_logit(const gm_present_unit *unit, const float *signals);
float gm_present_probability(float logit);
float gm_present_score(const gm_present_unit *unit, float logit, float share);
/* ln(p / (1 - p)) of a probability in f32, kept finite. */
float gm_present_logit_of(float probability);

#endif
