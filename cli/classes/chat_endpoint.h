/* chat_endpoint.h - questions to a language model behind an OpenAI-compatible HTTP interface
 * (POST URL/chat/completions), with retries and a limit to their rate. */
#ifndef CLI_CHAT_ENDPOINT_H
#define CLI_CHAT_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct chat_endpoint chat_endpoint;

typedef struct chat_endpoint_params {
  const char *url;     /* as "https://api.openai.com/v1" */
  const char *key;     /* NULL: no Authorization header; never shown */
  const char *model;   /* what the server calls it */
  uint64_t per_minute; /* requests; 0: no limit */
  uint64_t timeout;    /* seconds for one request */
  uint64_t retries;    /* after a failure that may pass: no answer, 408, 429, 5xx */
} chat_endpoint_params;

/* NULL after a message. The params' strings must outlive it. */
chat_endpoint *chat_endpoint_open(const chat_endpoint_params *params);
void chat_endpoint_close(chat_endpoint *endpoint);

/* The answer to one question, or NULL after a message (none if interrupted). free() it. Waits
 * 1, 2, 4, ... seconds between tries, or what the server's Retry-After says, at most 60.
 * *reasoning: it thought first, in a member of its own that is not part of the answer. */
char *chat_endpoint_ask(chat_endpoint *endpoint, const char *question, bool *reasoning);

#endif
