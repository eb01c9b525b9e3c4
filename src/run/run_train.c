/* run_train.c - gm_train of the public header: puts a run together from its settings. */
#include "model_file_bytes.h"
#include "model_resolve.h"
#include "run_checkpoint.h"
#include "sha256.h"
#include "struct_size.h"

#include <stdlib.h>
#include <string.h>

/* What a call owns besides the run. */
typedef struct training_call {
  const gm_train_params *params;
  gm_run run;
  gm_model_file *file;
  gm_callbacks callbacks;
  gm_error *err;
} training_call;

/* ---- config.json ---- */

static const char *const own_members[] = {"model_sha256", "data_sha256"};

static gm_status check_same(const training_call *call, const json_t *old, const char *member,
                            const char *found) {
  const char *was = json_string_value(json_object_get(old, member));
  if (was && strcmp(was, found) == 0) return GM_OK;
  bool model = member == own_members[0];
  return gm_fail(
      call->err, GM_ERR_ARGUMENT,
      "%s: the run's %s has changed since the run began: a run goes on with the same "
      "files, or begin a new one",
      model ? call->run.settings.model : call->run.settings.data, model ? "model" : "data");
}

static gm_status read_config(training_call *call, json_t **old) {
  const char *path = call->run.folder.paths[GM_RUN_CONFIG];
  json_error_t where;
  *old = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
  if (!*old)
    return gm_fail(call->err, GM_ERR_ARGUMENT, "%s: line %d: this is no JSON: %s", path,
                   where.line, where.text);
  return gm_run_settings_read(&call->run.settings, *old, path, call->err);
}

/* The identity is the hash of all that decides what the run computes. */
static gm_status keep_config(training_call *call, const json_t *old, const char *model_hash) {
  gm_run *run = &call->run;
  const char *hashes[] = {model_hash, run->data.hash};
  json_t *json = gm_run_settings_json(&run->settings);
  char *text = NULL;
  gm_status status = GM_OK;
  gm_sha256_state sha;
  for (size_t i = 0; i < 2 && status == GM_OK; i++) {
    if (old) status = check_same(call, old, own_members[i], hashes[i]);
    if (!json || json_object_set_new(json, own_members[i], json_string(hashes[i])) != 0)
      status = gm_fail_memory(call->err, "config.json", 0);
  }
  if (status == GM_OK)
    text = json_dumps(json, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15));
  if (status == GM_OK && !text) status = gm_fail_memory(call->err, "config.json", 0);
  if (status == GM_OK) {
    size_t n = strlen(text);
    gm_sha256_begin(&sha);
    gm_sha256_add(&sha, text, n);
    gm_sha256_end(&sha, run->identity);
    text[n] = '\n'; /* in place of the NUL */
    if (!old) status = gm_run_folder_write(&run->folder, GM_RUN_CONFIG, text, n + 1, call->err);
  }
  free(text);
  json_decref(json);
  return status;
}

/* ---- parts of the run ---- */

static void tell_fault(void *user, gm_data_fault kind, const char *message) {
  training_call *call = user;
  (void)kind;
  gm_run_tell_later(&call->run, message);
}

static gm_status load_data(training_call *call) {
  gm_run *run = &call->run;
  const gm_data_report report = {
      .strict = run->settings.strict, .user = call, .tell = tell_fault};
  gm_status status = gm_run_data_load(&run->data, &run->settings, &report, call->err);
  gm_run_tell_waiting(run);
  GM_TRY(status);
  run->length =
      gm_run_settings_length(&run->settings, gm_batches_chunks(run->data.train.batches),
                             gm_batches_pictures(run->data.train.batches));
  if (!run->data.val.n)
    gm_run_tell(run, false,
                "the data has no held-out sets (\"val\"): best.gguf is chosen by the loss of "
                "training");
  return GM_OK;
}

static gm_status make_params(training_call *call) {
  gm_run *run = &call->run;
  const gm_run_settings *s = &run->settings;
  gm_learn_rule rules[GM_PARTS];
  size_t n = 0;
  for (size_t i = 0; i < GM_PARTS; i++)
    if (s->learns[i])
      rules[n++] = (gm_learn_rule){.which = {.part = gm_part_names[i]}, .how = GM_LEARN_WHOLE};
  GM_TRY(gm_params_create(&run->params, call->file, rules, n, s->ema > 0, s->seed, call->err));
  for (size_t i = 0; i < GM_PARTS; i++) {
    const gm_tensor_choice part = {.part = gm_part_names[i]};
    gm_params_set_lr(run->params, &part, s->lr[i]);
    gm_params_set_decay(run->params, &part, s->weight_decay[i]);
  }
  if (s->stage == GM_TRAIN_DETECT) {
    const gm_tensor_choice slow[] = {{.name = "*sampling_offsets*"},
                                     {.name = "*reference_points*"}};
    for (size_t i = 0; i < 2; i++) gm_params_scale_lr(run->params, &slow[i], 0.1);
  }
  run->optimiser.options = gm_optimiser_defaults();
  run->optimiser.options.clip = s->clip;
  run->optimiser.options.warmup = run->length.warmup;
  run->optimiser.options.total = run->length.total;
  run->optimiser.options.average = s->ema;
  return GM_OK;
}

static void make_world(training_call *call) {
  gm_run *run = &call->run;
  const gm_run_settings *s = &run->settings;
  run->world = (gm_run_world){.settings = s,
                              .hparams = &run->hparams,
                              .params = run->params,
                              .training = {.c = &run->compute,
                                           .learned = &run->params->learned,
                                           .bf16 = s->bf16,
                                           .recompute = s->recompute,
                                           .dropout = (float)s->dropout}};
  if (call->params->cache)
    run->world.cache = gm_cache_dir_open(call->params->cache, call->params->cache_size);
}

static gm_status open_model(training_call *call, char hash[65]) {
  gm_run *run = &call->run;
  GM_TRY(gm_pool_create(&run->compute.pool, call->params->threads, call->err));
  run->compute.kernels = gm_kernels_best();
  run->compute.err = call->err;
  run->compute.cancelled = call->callbacks.cancelled;
  run->compute.cancel_user = call->callbacks.user;
  run->readers = gm_pool_threads(run->compute.pool);
  GM_TRY(gm_kernels_check(call->err));
  GM_TRY(gm_model_file_resolve(&call->file, run->settings.model, NULL, run->compute.pool,
                               call->err));
  GM_TRY(gm_model_file_want_kind(call->file, "groma", call->err));
  GM_TRY(gm_groma_hparams_read(&run->hparams, call->file, call->err));
  return gm_model_file_sha256(call->file, hash, NULL, call->err);
}

static void tell_summary(const gm_run *run) {
  for (int i = 0; i < GM_DATA_FAULTS; i++)
    if (run->data.report.counts[i])
      gm_run_tell(run, i >= GM_RULE_CROWD, "left out or mended: %zu x %s",
                  run->data.report.counts[i], gm_fault_name((gm_data_fault)i));
  if (run->world.left_out)
    gm_run_tell(run, false, "%llu samples were longer than the model takes",
                (unsigned long long)run->world.left_out);
}

static gm_status train(training_call *call) {
  gm_run *run = &call->run;
  const gm_train_params *p = call->params;
  char hash[65];
  json_t *old = NULL;
  gm_status status = GM_OK;
  if (!p->resume) GM_TRY(gm_run_settings_make(&run->settings, p, call->err));
  if (!p->resume) { /* what can be wrong is found before the folder is made */
    GM_TRY(load_data(call));
    GM_TRY(open_model(call, hash));
  }
  GM_TRY(gm_run_folder_open(&run->folder, p->folder, p->resume, call->err));
  if (p->resume) {
    status = read_config(call, &old);
    if (status == GM_OK) status = open_model(call, hash);
    if (status == GM_OK) status = load_data(call);
  }
  if (status == GM_OK) status = keep_config(call, old, hash);
  json_decref(old);
  GM_TRY(status);
  GM_TRY(make_params(call));
  make_world(call);
  GM_TRY(run->settings.stage == GM_TRAIN_DETECT
             ? gm_run_detect_task(&run->task, &run->world, call->err)
             : gm_run_words_task(&run->task, &run->world, call->err));
  status = gm_run_loop(run, call->err);
  gm_run_tell_waiting(run);
  tell_summary(run);
  return status;
}

static void end(training_call *call) {
  gm_run *run = &call->run;
  if (run->task.free) run->task.free(run->task.self);
  gm_cache_dir_free(run->world.cache);
  gm_params_free(run->params);
  gm_model_file_close(call->file);
  gm_run_data_free(&run->data);
  if (run->folder.paths[0]) gm_run_folder_close(&run->folder);
  gm_run_settings_free(&run->settings);
  gm_arena_free(&run->compute.arena);
  gm_pool_free(run->compute.pool);
  gm_text_free(&run->later.lines);
  pthread_mutex_destroy(&run->later.lock);
}

gm_status gm_train(const gm_train_params *given, const gm_callbacks *callbacks, gm_error *err) {
  gm_train_params params;
  gm_error own;
  if (!err) err = &own;
  GM_TRY(GM_STRUCT_READ(gm_train_params, &params, given, err));
  training_call *call = calloc(1, sizeof *call);
  if (!call) return gm_fail_memory(err, "a run", sizeof *call);
  call->params = &params;
  call->err = err;
  gm_status status = GM_STRUCT_READ(gm_callbacks, &call->callbacks, callbacks, err);
  pthread_mutex_init(&call->run.later.lock, NULL);
  call->run.folder = (gm_run_folder){.lists = {-1, -1}};
  call->run.callbacks = &call->callbacks;
  call->run.note = params.note;
  call->run.note_user = params.note_user;
  if (status == GM_OK) status = train(call);
  end(call);
  free(call);
  return status;
}
