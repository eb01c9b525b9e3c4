/* questions.h - the set questions, and what of gm_ask_params they take. */
#ifndef GM_QUESTIONS_H
#define GM_QUESTIONS_H

#include "gromatic.h"

#define GM_CAPTION_QUESTION "Give me a concise description of the image."

/* What is in {1}? long_form: in details. */
const char *gm_describe_question(bool long_form);

/* Params that have been read become those of a caption; GM_ERR_ARGUMENT where they have boxes.
 */
gm_status gm_caption_params(gm_ask_params *params, gm_error *err);
/* ... of a description of the box. */
void gm_describe_params(gm_ask_params *params, const gm_box *box);

#endif
