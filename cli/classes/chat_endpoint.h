/* chat_endpoint.h - asks a language model behind an OpenAI-compatible HTTP interface (POST
 * URL/chat/completions), with retries and a limited rate. */
#ifndef CLI_CHAT_ENDPOINT_H
#define CLI_CHAT_ENDPOINT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct chat_endpoint chat_endpoint;

/* When the next request may begin. Several threads may use one. */
typedef struct chat_rate {
  pthread_mutex_t lock;
  double next; /* on the clock of cli_now */
} chat_rate;

typedef struct chat_endpoint_params {
  const char *url;     /* as "https://api.openai.com/v1" */
  const char *key;     /* NULL: no Authorization header. Never shown. */
  const char *model;   /* the server's name for it */
  uint64_t per_minute; /* requests; 0: no limit */
  uint64_t timeout;    /* seconds for one request */
  uint64_t retries;    /* after a temporary failure: no answer, 408, 429, 5xx */
  chat_rate *rate;     /* shared by several endpoints; NULL: one of its own */
} chat_endpoint_params;

/* NULL after a message. The strings of params must outlive the endpoint, which one thread at a
 * time may use. */
chat_endpoint *chat_endpoint_open(const chat_endpoint_params *params);
void chat_endpoint_close(chat_endpoint *endpoint);

typedef struct chat_question {
  const char *system; /* what the model is told beforehand; NULL: nothing */
  const char *text;
  const char *picture; /* data: URI; NULL: none */
  uint64_t max_tokens; /* of the answer; 0: the server's limit */
  double temperature;  /* 0: the server's own */
} chat_question;

typedef struct chat_answer {
  char *text;     /* for free() */
  bool reasoning; /* there is reasoning in a member of its own, which is not part of the text */
  uint64_t tokens; /* of question and answer, as the server counts; 0: it does not say */
} chat_answer;

/* The answer to one question. False, and no text, after a message, or without one if
 * interrupted. Between tries it waits 1, 2, 4, ... seconds and up to a quarter more by chance,
 * or what the server's Retry-After says, at most 60. */
bool chat_endpoint_ask(chat_endpoint *endpoint, const chat_question *question,
                       chat_answer *answer);

#endif
