/* curate_prompt.h - what a model is told about a picture with marks. */
#ifndef CLI_CURATE_PROMPT_H
#define CLI_CURATE_PROMPT_H

#include "curate_set.h"
#include "ledger_list.h"

/* Our own instructions and their version, for the result's "source". */
extern const char curate_instructions[], curate_instructions_version[];

/* The instructions, then the picture's size, its captions and its marks; for free(). NULL if
 * memory is short. */
char *curate_prompt(const char *instructions, const curate_picture *picture);

/* What the picture's marks stand for, as a hash: a reply belongs to it. False if memory is
 * short.
 */
bool curate_key(const curate_picture *picture, char out[LEDGER_KEY + 1]);

#endif
