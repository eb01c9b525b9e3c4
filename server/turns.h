/* turns.h - the messages of a chat as clients send them: texts by role, and one picture. */
#ifndef SRV_TURNS_H
#define SRV_TURNS_H

#include "plan.h"

/* Reads the member `list` of plan->json, messages in the form of OpenAI (chat completions and
 * responses) or Anthropic, into plan->texts: question, answer, question, ..., question; the
 * phrases of the answers into plan->given; and the picture into plan->picture. System messages,
 * and the member `system` (may be NULL), go before the first question. False after an answer:
 * roles out of order, no picture, two pictures, other media. */
bool srv_turns_read(srv_job *job, const char *list, const char *system);

#endif
