/* embedded_worlds.h - what the models linked into the library were trained on. */
#ifndef GM_EMBEDDED_WORLDS_H
#define GM_EMBEDDED_WORLDS_H

#include "embedded.h"

extern const gm_embedded_world gm_groma_mini_world, gm_clip_mini_world;

#endif
