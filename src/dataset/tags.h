/* tags.h - the model's own tags in text that comes with a data set. In plain text they would be
 * read as tokens with a meaning, so such text is not used. */
#ifndef GM_TAGS_H
#define GM_TAGS_H

#include <stdbool.h>
#include <stddef.h>

/* The first tag in the text (<p> <roi> <r7> <image> [grounding] </s> ...) and its length; NULL
 * if there is none. */
const char *gm_find_tag(const char *text, size_t *length);

/* Whether an answer is well formed: its only tags are <p>...</p> and <roi> with one or more
 * <ground_box> and </roi>, opened and closed in turn. *marks: number of <ground_box>. */
bool gm_answer_marks(const char *text, size_t *marks);
/* Whether a question is: its only tags are <p>...</p>. */
bool gm_question_is_plain(const char *text);

#endif
