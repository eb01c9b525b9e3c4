/* look.h - a view looked at with the method of some classes: what classification and
 * explanation share. */
#ifndef GM_LOOK_H
#define GM_LOOK_H

#include "clip_handles.h"
#include "view.h"
#include "wca.h"

/* The caller's params, with the defaults where they are zero. */
gm_status gm_classify_params_read(gm_classify_params *own, const gm_classify_params *given,
                                  gm_error *err);

/* Checks classes and params, encodes what is to be looked at (it enters the clip). *n becomes
 * the number of crops and *mix what the method makes of them; without crops (0) the whole
 * picture is the only one. free(mix->weights) in any case. */
gm_status gm_look(gm_view *view, const gm_classes *classes, const gm_classify_params *params,
                  const gm_callbacks *callbacks, gm_wca_mix *mix, size_t *n, gm_error *err);

#endif
