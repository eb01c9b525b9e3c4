/* conversation.h - a conversation about a picture, from its turns to its answer: what the
 * protocols for it have in common. A protocol says how requests name things, and what an answer
 * looks like. */
#ifndef SRV_CONVERSATION_H
#define SRV_CONVERSATION_H

#include "words.h"

typedef struct srv_conversation srv_conversation;

typedef struct srv_protocol {
  /* Names of members; NULL: the protocol has none. */
  const char *turns, *system, *stops, *most_tokens;
  const char *const *known, *const *harmless; /* members: extras.h */
  /* Events of a stream, on the slot's thread: it begins; words were said, not NUL-terminated; a
   * phrase is closed; it is over. */
  void (*begin)(srv_conversation *c);
  void (*said)(srv_conversation *c, const char *words, size_t n);
  void (*phrase)(srv_conversation *c, json_t *phrase);
  void (*end)(srv_conversation *c);
  /* The whole answer; a new reference. */
  json_t *(*whole)(srv_conversation *c);
} srv_protocol;

/* Members of all protocols. */
#define SRV_CONVERSATION_MEMBERS                                                               \
  "model", "stream", "temperature", "top_p", "top_k", "seed", "grounding", "boxes",            \
      "box_format", "conf", "iou", "max_regions", "append_boxes", "lora"

struct srv_conversation {
  srv_job *job;
  const srv_plan *plan;
  const srv_protocol *protocol;
  out_frame frame;
  int64_t created; /* seconds since 1970 */
  srv_words words;
  json_t *grounding; /* the phrases that are closed, as in docs/JSON.md */
  bool complete;     /* the answer ended by itself or at a stop, not at a limit */
  float unlikeness;
  gm_request *request;
  uint64_t ready; /* positions that were computed before this request */
};

/* For a work's prepare and run. */
bool srv_conversation_prepare(srv_job *job, const srv_protocol *protocol);
void srv_conversation_run(srv_job *job, const srv_protocol *protocol);

/* For protocols: what was said, and [{"id", "width", "height"}]; new references. */
json_t *srv_conversation_text(const srv_conversation *c);
json_t *srv_conversation_images(const srv_conversation *c);
/* Adds the images and the model's notices. */
void srv_conversation_add_scope(const srv_conversation *c, json_t *answer);

#endif
