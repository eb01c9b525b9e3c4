/* lora.c - see lora.h. */
#include "lora.h"

#include "state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool refuse(srv_job *job, size_t n) {
  srv_reply_error(job, 400, "bad_argument",
                  n ? "lora: wanted a list of {\"id\": 0 to %zu, \"scale\": a number}, each id "
                      "once"
                    : "lora: this server was started with %zu adapters; give it --adapter FILE",
                  n ? n - 1 : 0);
  return false;
}

bool srv_lora_read(srv_job *job, const json_t *list, float scales[SRV_MAX_ADAPTERS],
                   bool *same) {
  const gm_model_params *params = &job->server->settings->model_params;
  size_t n = params->n_adapters;
  bool given[SRV_MAX_ADAPTERS] = {false};
  *same = true;
  if (!list || json_is_null(list)) return true;
  if (!json_is_array(list) || (n == 0 && json_array_size(list) > 0)) return refuse(job, n);
  memset(scales, 0, SRV_MAX_ADAPTERS * sizeof *scales);
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *one = json_array_get(list, i), *id = json_object_get(one, "id"),
                 *scale = json_object_get(one, "scale");
    if (!json_is_integer(id) || !json_is_number(scale) || json_object_size(one) != 2)
      return refuse(job, n);
    json_int_t at = json_integer_value(id);
    double by = json_number_value(scale);
    if (at < 0 || (size_t)at >= n || given[at] || !(fabs(by) <= 1e6)) return refuse(job, n);
    given[at] = true;
    scales[at] = (float)by;
  }
  for (size_t i = 0; i < n; i++) {
    const gm_adapter_use *use = &params->adapters[i];
    *same = *same && scales[i] == (use->off ? 0 : use->scale);
  }
  return true;
}

/* With the lock. */
static srv_variant *find(srv_variants *v, size_t base, const float *scales) {
  for (size_t i = 0; i < SRV_MAX_VARIANTS; i++)
    if (v->all[i].model && v->all[i].base == base &&
        memcmp(v->all[i].scales, scales, sizeof v->all[i].scales) == 0)
      return &v->all[i];
  return NULL;
}

/* A place for one more: a free one, else that of the one used longest ago; NULL: all are in
 * use. With the lock. */
static srv_variant *place(srv_variants *v) {
  srv_variant *best = NULL;
  for (size_t i = 0; i < SRV_MAX_VARIANTS; i++) {
    srv_variant *one = &v->all[i];
    if (!one->model) return one;
    if (one->holders == 0 && (!best || one->last_used < best->last_used)) best = one;
  }
  if (best) {
    gm_model_free(best->model);
    *best = (srv_variant){0};
  }
  return best;
}

static gm_status open_variant(srv *s, size_t base, const float *scales, srv_variant *out,
                              gm_error *err) {
  gm_model_params params = s->settings->model_params;
  gm_adapter_use uses[SRV_MAX_ADAPTERS];
  for (size_t i = 0; i < params.n_adapters; i++) {
    uses[i] = params.adapters[i];
    uses[i].scale = scales[i];
    uses[i].off = scales[i] == 0;
  }
  params.adapters = uses;
  params.engine = s->engine;
  gm_status status =
      gm_model_open(&out->model, srv_models_path(s->settings, base), &params, err);
  if (status != GM_OK) return status;
  out->base = base;
  out->with_clip = srv_models_looks(&s->models, out->model);
  memcpy(out->scales, scales, sizeof out->scales);
  return GM_OK;
}

srv_variant *srv_lora_take(srv_job *job, size_t base, const float scales[SRV_MAX_ADAPTERS]) {
  srv_variants *v = &job->server->variants;
  gm_error err = {0};
  pthread_mutex_lock(&v->lock);
  srv_variant *variant = find(v, base, scales);
  bool opens = !variant;
  gm_status status = GM_OK;
  if (opens) variant = place(v);
  if (opens && variant) status = open_variant(job->server, base, scales, variant, &err);
  if (variant && status == GM_OK) variant->holders++;
  pthread_mutex_unlock(&v->lock);
  if (status != GM_OK) {
    srv_reply_failure(job, &err);
    return NULL;
  }
  if (variant) return variant;
  job->retry_after = 5;
  srv_reply_error(job, 429, "busy",
                  "requests with %d other combinations of adapters are being answered; try "
                  "again later",
                  SRV_MAX_VARIANTS);
  return NULL;
}

void srv_lora_give_back(srv *server, srv_variant *variant) {
  srv_variants *v = &server->variants;
  pthread_mutex_lock(&v->lock);
  variant->holders--;
  variant->last_used = srv_now();
  pthread_mutex_unlock(&v->lock);
}

void srv_lora_close(srv_variants *v) {
  for (size_t i = 0; i < SRV_MAX_VARIANTS; i++) gm_model_free(v->all[i].model);
}
