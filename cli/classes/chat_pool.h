/* chat_pool.h - asks many questions of a model behind an endpoint, several at the same time. */
#ifndef CLI_CHAT_POOL_H
#define CLI_CHAT_POOL_H

#include "chat_endpoint.h"

#include <stddef.h>

enum { CHAT_MOST_AT_ONCE = 8 };

/* What is asked, and what becomes of the answers. The two functions are called by one thread at
 * a time. */
typedef struct chat_work {
  void *user;
  /* The next question; its text and picture are taken over, for free(). Returns false if there
   * is none, or none may be asked any more. */
  bool (*next)(void *user, size_t *item, chat_question *question);
  /* The item's answer; NULL: there was none, after a message or an interruption. Returns false
   * if nothing more is to be asked; what is on its way still comes. */
  bool (*take)(void *user, size_t item, const chat_answer *answer);
} chat_work;

/* Asks until `next` has nothing more, at_once questions at a time (1 to CHAT_MOST_AT_ONCE);
 * they share the rate of params. False, after a message, if there is no connection. */
bool chat_pool_run(const chat_endpoint_params *params, size_t at_once, const chat_work *work);

#endif
