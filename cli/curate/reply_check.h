/* reply_check.h - REPLY + PICTURE -> CONVERSATION: what a language model replied about a
 * picture with numbered marks becomes a conversation in Groma Instruct's form, turn by turn, or
 * is rejected with a reason. docs/CURATE.md has the rules. */
#ifndef CLI_REPLY_CHECK_H
#define CLI_REPLY_CHECK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* In the order in which they are looked for. */
typedef enum reply_reason {
  REPLY_KEPT,
  REPLY_EMPTY,
  REPLY_TOKEN_INSIDE,
  REPLY_MARK_IN_QUESTION,
  REPLY_MARK_UNKNOWN,
  REPLY_DUP_MARK,
  REPLY_NO_PHRASE,
  REPLY_PHRASE_TOO_LONG,
  REPLY_MARK_TALK,
  REPLY_MISMATCH,
  REPLY_LANGUAGE,
  REPLY_LENGTH,
  REPLY_DUPLICATE,
  N_REPLY_REASONS
} reply_reason;
extern const char *const reply_reason_names[N_REPLY_REASONS]; /* "empty", "token-inside", ... */

/* The boxes in the order of their marks. */
typedef struct marked_boxes {
  size_t n;
  const char *const *descriptions; /* [n] */
  const char *const *classes;      /* [n], NULL where unknown; or NULL */
} marked_boxes;

typedef struct reply_reject {
  size_t turn; /* from 1; 0: the whole reply */
  reply_reason reason;
} reply_reject;

typedef struct checked_reply {
  json_t *conversation; /* [{value, box_inds}]; NULL: nothing is left */
  reply_reject *rejects;
  size_t n_rejects;
  bool repaired; /* text around it, commas, cut ends or braces were mended */
} checked_reply;

/* False if memory is short. Free with checked_reply_free in any case. reply: any text, NUL at
 * its end. */
bool check_reply(checked_reply *out, const char *reply, const marked_boxes *boxes);
void checked_reply_free(checked_reply *checked);

#endif
