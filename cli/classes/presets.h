/* presets.h - the published settings of weighted cross alignment, by data set. */
#ifndef CLI_PRESETS_H
#define CLI_PRESETS_H

#include <stdint.h>

typedef struct cli_preset {
  const char *name;
  uint32_t crops;        /* N */
  double alpha;          /* of the paper's method */
  double released_alpha; /* of the released code */
} cli_preset;

/* NULL if there is none. */
const cli_preset *cli_preset_named(const char *name);

#endif
