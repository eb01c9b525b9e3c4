/* chat_endpoint.h - asks a language model behind an OpenAI-compatible HTTP interface (POST
 * URL/chat/completions), with retries and a limited rate. */
#ifndef CLI_CHAT_ENDPOINT_H
#define CLI_CHAT_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct chat_endpoint chat_endpoint;

typedef struct chat_endpoint_params {
  const char *url;     /* as "https://api.openai.com/v1" */
  const char *key;     /* NULL: no Authorization header. Never shown. */
  const char *model;   /* the server's name for it */
  uint64_t per_minute; /* requests; 0: no limit */
  uint64_t timeout;    /* seconds for one request */
  uint64_t retries;    /* after a temporary failure: no answer, 408, 429, 5xx */
} chat_endpoint_params;

/* NULL after a message. The strings of params must outlive the endpoint. */
chat_endpoint *chat_endpoint_open(const chat_endpoint_params *params);
void chat_endpoint_close(chat_endpoint *endpoint);

/* The answer to one question, for free(); NULL after a message, or without one if interrupted.
 * Between tries it waits 1, 2, 4, ... seconds, or what the server's Retry-After says, at
 * most 60. *reasoning: the reply has reasoning in a member of its own, which is not part of the
 * answer. */
char *chat_endpoint_ask(chat_endpoint *endpoint, const char *question, bool *reasoning);

#endif
