/* conv_winograd.h - how gm_conv3x3 computes maps and channels that are large enough. */
#ifndef GM_CONV_WINOGRAD_H
#define GM_CONV_WINOGRAD_H

#include "ops.h"

/* True where it is worth it. The number of maps makes no difference. */
bool gm_conv_winograd_fits(const gm_conv_args *args);
/* As gm_conv3x3. */
gm_status gm_conv_winograd(gm_compute *c, const gm_conv_args *args);

#endif
