/* lora.h - adapters by request: a model with other scales of the adapters that the server was
 * started with. Each combination is a model of its own for the engine, so only requests of one
 * combination share scenes and steps. */
#ifndef SRV_LORA_H
#define SRV_LORA_H

#include "job.h"
#include "server.h"

#include <pthread.h>

enum { SRV_MAX_ADAPTERS = 16, SRV_MAX_VARIANTS = 4 };

typedef struct srv_variant {
  gm_model *model;
  size_t base; /* in srv_models */
  float scales[SRV_MAX_ADAPTERS];
  unsigned holders;
  bool with_clip;   /* as srv_models.with_clip */
  double last_used; /* srv_now */
} srv_variant;

typedef struct srv_variants {
  pthread_mutex_t lock;
  srv_variant all[SRV_MAX_VARIANTS]; /* model NULL: free */
} srv_variants;

/* The scales that plan's "lora" asks for: [{"id", "scale"}, ...], those that are not named 0.
 * *same: they are those of the start. False after an answer. */
bool srv_lora_read(srv_job *job, const json_t *list, float scales[SRV_MAX_ADAPTERS],
                   bool *same);
/* Opens the variant, or finds it; held: give it back. NULL after an answer. For a slot's
 * thread. */
srv_variant *srv_lora_take(srv_job *job, size_t base, const float scales[SRV_MAX_ADAPTERS]);
void srv_lora_give_back(srv *server, srv_variant *variant);
/* When no job is left. */
void srv_lora_close(srv_variants *variants);

#endif
