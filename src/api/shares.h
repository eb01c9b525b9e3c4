/* shares.h - an explanation with what it has. */
#ifndef GM_SHARES_H
#define GM_SHARES_H

#include "gromatic.h"

typedef struct gm_shares {
  gm_explanation base; /* first: this is what callers have */
  gm_crop_share *crops;
  gm_text_share *texts, *against_texts;
} gm_shares;

#endif
