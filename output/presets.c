/* presets.c - see presets.h. Section 5 and appendix of arXiv 2406.02915. The released code
 * configures the paper's alpha too, but the value never reaches its crops: 0.1 does. */
#include "presets.h"

#include <stddef.h>
#include <string.h>

static const out_preset presets[] = {
    {"imagenet", 60, 0.5, 0.1}, {"cub", 100, 0.5, 0.1},     {"pets", 100, 0.5, 0.1},
    {"dtd", 100, 0.5, 0.1},     {"food101", 100, 0.5, 0.1}, {"places365", 100, 0.7, 0.1},
};

const out_preset *out_preset_named(const char *name) {
  for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
    if (strcmp(presets[i].name, name) == 0) return &presets[i];
  return NULL;
}
