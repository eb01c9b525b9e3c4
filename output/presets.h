/* presets.h - the published settings of weighted cross alignment, by data set. */
#ifndef OUT_PRESETS_H
#define OUT_PRESETS_H

#include <stdint.h>

typedef struct out_preset {
  const char *name;
  uint32_t crops;        /* N */
  double alpha;          /* of the paper's method */
  double released_alpha; /* of the released code */
} out_preset;

/* NULL if there is none. */
const out_preset *out_preset_named(const char *name);

#endif
