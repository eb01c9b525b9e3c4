/* models.h - the models that are served, by the names of /v1/models. */
#ifndef SRV_MODELS_H
#define SRV_MODELS_H

#include "server.h"

enum { SRV_MAX_MODELS = 8 };

typedef struct srv_models {
  gm_model *models[SRV_MAX_MODELS];
  const char *names[SRV_MAX_MODELS];  /* each once */
  const char *scopes[SRV_MAX_MODELS]; /* to be noted in results, or NULL */
  uint32_t contexts[SRV_MAX_MODELS];
  bool with_clip[SRV_MAX_MODELS]; /* its head looks with this CLIP (docs/PRESENT.md) */
  size_t n;
  gm_clip *clip;
  const char *clip_name, *clip_scope;
} srv_models;

/* Opens the models of the settings, and answers one question with each, so that the first
 * client does not wait for it. Close it after a failure too. */
gm_status srv_models_open(srv_models *out, gm_engine *engine, const srv_settings *settings,
                          gm_error *err);
void srv_models_close(srv_models *models);
/* What gm_model_open took for the model of this number. */
const char *srv_models_path(const srv_settings *settings, size_t model);
/* Whether the model's head looks with the CLIP that is served. */
bool srv_models_looks(const srv_models *models, const gm_model *model);
/* The number of the model of that name; NULL: the first. SRV_MAX_MODELS where there is none. */
size_t srv_models_find(const srv_models *models, const char *name);

#endif
