/* given.h - an answer that a conversation is given -> the ids that the model would have said.
 */
#ifndef GM_GIVEN_H
#define GM_GIVEN_H

#include "prompt.h"

typedef struct gm_given_ids {
  gm_ids ids;
  size_t n_regions; /* of the picture, that its phrases need at least */
} gm_given_ids;

/* GM_ERR_ARGUMENT where text and phrases do not fit together, GM_ERR_MEMORY. Free in any case.
 */
gm_status gm_given_read(gm_given_ids *out, const gm_prompt *prompt, const gm_given *given,
                        gm_error *err);
void gm_given_ids_free(gm_given_ids *given);

#endif
