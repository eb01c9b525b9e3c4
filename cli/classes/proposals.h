/* proposals.h - crops from Groma's regions, for --proposals. */
#ifndef CLI_PROPOSALS_H
#define CLI_PROPOSALS_H

#include "arguments.h"

#include "gromatic.h"

/* Opens --groma-model (groma-mini where it is absent); returns an exit code, after a message if
 * it is not CLI_DONE. */
int cli_open_proposer(const cli_args *args, gm_model **out);

/* *boxes[*n], to be freed in any case: around each region that the model proposes the square
 * of 1.2 times its longer side, clipped to the picture; the whole picture where it proposes
 * none. */
gm_status cli_propose(gm_model *groma, const gm_image *image, const gm_callbacks *callbacks,
                      gm_box **boxes, size_t *n, gm_error *err);

#endif
