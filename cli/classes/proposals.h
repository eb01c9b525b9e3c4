/* proposals.h - crops from Groma's regions, for --proposals. */
#ifndef CLI_PROPOSALS_H
#define CLI_PROPOSALS_H

#include "arguments.h"

#include "gromatic.h"

/* Opens --groma-model (default groma-mini). Returns an exit code, after a message if it is not
 * CLI_DONE. */
int cli_open_proposer(const cli_args *args, gm_model **out);

/* (*boxes)[*n], for free() in any case: for each proposed region the square around it with 1.2
 * times its longer side, clipped to the picture. The whole picture if there is no region. */
gm_status cli_propose(gm_model *groma, const gm_image *image, const gm_callbacks *callbacks,
                      gm_box **boxes, size_t *n, gm_error *err);

#endif
