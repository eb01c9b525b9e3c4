/* api_info.c - what the server says about itself; each is made at once. */
#include "answer_json.h"
#include "api.h"
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static srv_quick quick(int status, json_t *object) {
  char *text = json_dumps(object, JSON_COMPACT);
  json_decref(object);
  return (srv_quick){status, "application/json", text};
}

srv_quick srv_health(srv *s) {
  int phase = atomic_load(&s->phase);
  if (phase == SRV_READY) return quick(200, json_pack("{s:s}", "status", "ok"));
  return quick(503, json_pack("{s:{s:i, s:s, s:s}}", "error", "code", 503, "message",
                              phase == SRV_LOADING ? "Loading model" : "Stopping", "type",
                              "unavailable_error"));
}

static bool is_ready(srv *s) {
  return atomic_load(&s->loaded);
}

static json_t *model_json(const char *name, const char *output) {
  return json_pack("{s:s, s:s, s:i, s:s, s:{s:[s,s], s:[s]}}", "id", name, "object", "model",
                   "created", 0, "owned_by", "gromatic", "architecture", "input_modalities",
                   "text", "image", "output_modalities", output);
}

srv_quick srv_list_models(srv *s) {
  json_t *list = json_array();
  for (size_t i = 0; is_ready(s) && i < s->models.n; i++)
    json_array_append_new(list, model_json(s->models.names[i], "text"));
  if (is_ready(s) && s->models.clip_name)
    json_array_append_new(list, model_json(s->models.clip_name, "labels"));
  return quick(200, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

srv_quick srv_props(srv *s) {
  bool ready = is_ready(s);
  return quick(200,
               json_pack("{s:s, s:i, s:{s:b, s:b}, s:{s:i}, s:s}", "model_path",
                         ready ? s->models.names[0] : "", "total_slots", (int)s->n_slots,
                         "modalities", "vision", 1, "audio", 0, "default_generation_settings",
                         "n_ctx", ready ? (int)s->models.contexts[0] : 0, "build_info",
                         gm_version()));
}

/* The name of the file only: where it lies is nobody's business. */
srv_quick srv_list_adapters(srv *s) {
  const gm_model_params *params = &s->settings->model_params;
  json_t *list = json_array();
  for (size_t i = 0; i < params->n_adapters; i++) {
    const gm_adapter_use *use = &params->adapters[i];
    const char *slash = strrchr(use->path, '/');
    json_array_append_new(list, json_pack("{s:i, s:o, s:o}", "id", (int)i, "path",
                                          out_json_text(slash ? slash + 1 : use->path), "scale",
                                          out_json_number(use->off ? 0 : (double)use->scale)));
  }
  return quick(200, list);
}

srv_quick srv_list_slots(srv *s) {
  json_t *list = json_array();
  double now = srv_now();
  pthread_mutex_lock(&s->lock);
  for (unsigned i = 0; i < s->n_slots; i++) {
    const srv_job *job = s->running[i];
    json_t *slot = json_pack("{s:i, s:b}", "id", (int)i, "is_processing", job != NULL);
    if (job) {
      json_object_set_new(slot, "task", json_string(job->work->name));
      json_object_set_new(slot, "seconds", out_json_number(now - job->began));
    }
    json_array_append_new(list, slot);
  }
  pthread_mutex_unlock(&s->lock);
  return quick(200, list);
}

srv_quick srv_list_metrics(srv *s) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  gm_engine_info info = {.struct_size = sizeof info};
  if (!out) return (srv_quick){0};
  gm_engine_get_info(s->engine, &info, NULL);
  pthread_mutex_lock(&s->lock);
  double waited = s->seconds_waited, ran = s->seconds_ran;
  pthread_mutex_unlock(&s->lock);
  const struct {
    const char *name, *type, *help;
    double value;
  } all[] = {
      {"requests_total", "counter", "Requests that came in.", (double)s->requests},
      {"refused_total", "counter", "Requests that were refused before any work.",
       (double)s->refused},
      {"running", "gauge", "Requests that compute now.", (double)srv_jobs_running(s)},
      {"waiting", "gauge", "Requests that wait for a slot now.", (double)srv_jobs_waiting(s)},
      {"prompt_tokens_total", "counter", "Positions of prompts.", (double)s->prompt_tokens},
      {"cached_tokens_total", "counter", "Of these, those that were there already.",
       (double)s->cached_tokens},
      {"generated_tokens_total", "counter", "Tokens of answers.", (double)s->generated_tokens},
      {"wait_seconds_total", "counter", "Seconds that requests waited for a slot.", waited},
      {"run_seconds_total", "counter", "Seconds that requests had a slot.", ran},
      {"scenes", "gauge", "Pictures that are ready for questions.", (double)info.scenes},
      {"memory_bytes", "gauge", "Memory of scenes and answers.", (double)info.memory_used},
  };
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    fprintf(out, "# HELP gromatic_%s %s\n# TYPE gromatic_%s %s\ngromatic_%s %.15g\n",
            all[i].name, all[i].help, all[i].name, all[i].type, all[i].name, all[i].value);
  fclose(out);
  return (srv_quick){200, "text/plain; version=0.0.4", text};
}
