/* run_caption.h - a grounded caption that the model in training says by itself, against the
 * data's. */
#ifndef GM_RUN_CAPTION_H
#define GM_RUN_CAPTION_H

#include "instruct_train.h"

/* F1 of the phrases with regions: greedy decoding of the sequence's first answer, at most twice
 * as long as the true one, against that one. A phrase is right if it is the same text, whatever
 * the case, each once. pass: after its forward, of one sequence. Errors: GM_ERR_MEMORY,
 * GM_ERR_CANCELLED. */
gm_status gm_run_caption_f1(const gm_groma *groma, const gm_instruct_pass *pass, double *f1);

#endif
