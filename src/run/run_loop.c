/* run_loop.c - see run_loop.h. */
#include "run_loop.h"

#include "rng.h"
#include "run_checkpoint.h"
#include "run_record.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void gm_run_tell(const gm_run *run, bool detail, const char *format, ...) {
  char line[1024];
  va_list arguments;
  if (!run->note) return;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  run->note(run->note_user, detail, line);
}

void gm_run_tell_later(gm_run *run, const char *line) {
  pthread_mutex_lock(&run->later.lock);
  if (gm_text_append_string(&run->later.lines, line, NULL) == GM_OK)
    (void)gm_text_append_string(&run->later.lines, "\n", NULL);
  pthread_mutex_unlock(&run->later.lock);
}

void gm_run_tell_waiting(gm_run *run) {
  pthread_mutex_lock(&run->later.lock);
  gm_text lines = run->later.lines;
  run->later.lines = (gm_text){0};
  pthread_mutex_unlock(&run->later.lock);
  for (char *at = lines.bytes, *end; at && *at; at = end + 1) {
    end = at + strcspn(at, "\n");
    if (!*end) break; /* cut where memory was short */
    *end = 0;
    gm_run_tell(run, false, "%s", at);
  }
  gm_text_free(&lines);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double mean_of(const gm_run_sums *sums, size_t i) {
  return sums->count[i] > 0 ? sums->sum[i] / sums->count[i] : NAN;
}

static void show_progress(const gm_run *run, double share) {
  char text[128], loss[32] = "";
  const gm_callbacks *c = run->callbacks;
  uint64_t first = run->resumed, all = run->length.updates - first;
  if (!c || !c->progress || !all) return;
  if (run->place.losses.count[0] > 0)
    snprintf(loss, sizeof loss, ", loss %.4g", mean_of(&run->place.losses, 0));
  snprintf(text, sizeof text, "step %llu of %llu%s, rate %.3g",
           (unsigned long long)run->place.update, (unsigned long long)run->length.updates, loss,
           gm_lr_factor(run->place.update, run->length.warmup, run->length.total));
  c->progress(c->user, text, ((double)(run->place.update - first) + share) / (double)all);
}

static gm_status poll(const gm_run *run, gm_error *err) {
  const gm_callbacks *c = run->callbacks;
  if (!c || !c->cancelled || !c->cancelled(c->user)) return GM_OK;
  return gm_fail(err, GM_ERR_CANCELLED, "the run was stopped; --resume goes on with it");
}

/* ---- one update ---- */

static gm_status draw_batch(const gm_run *run, const gm_item *items, gm_error *err) {
  gm_sheet_cell cells[GM_SHEET_CELLS] = {0};
  size_t n =
      run->settings.chunk < GM_SHEET_CELLS ? (size_t)run->settings.chunk : GM_SHEET_CELLS;
  gm_status status = GM_OK;
  for (size_t i = 0; i < n && status == GM_OK; i++)
    status = gm_run_sheet_item(run, &cells[i], &items[i], true, err);
  if (status == GM_OK)
    status = gm_sheet_write(cells, n, "The first pictures of training, with the data's boxes",
                            run->folder.paths[GM_RUN_BATCH], err);
  for (size_t i = 0; i < n; i++) gm_sheet_cell_free(&cells[i]);
  return status;
}

static gm_status add_gradients(gm_run *run, gm_run_sums *sums, gm_error *err) {
  const gm_run_settings *s = &run->settings;
  const gm_item *items;
  for (uint64_t first = 0; first < s->batch; first += s->chunk) {
    gm_status status = gm_read_ahead_next(run->ahead, &items, err);
    gm_run_tell_waiting(run);
    GM_TRY(status);
    if (run->place.update == 0 && first == 0) GM_TRY(draw_batch(run, items, err));
    for (uint64_t at = 0; at < s->chunk; at += s->micro_batch) {
      GM_TRY(poll(run, err));
      GM_TRY(run->task.train(run->task.self, items + at, (size_t)s->micro_batch, first + at,
                             sums));
      show_progress(run, (double)(first + at + s->micro_batch) / (double)s->batch);
    }
  }
  return GM_OK;
}

static gm_status log_update(gm_run *run, const gm_run_sums *sums, const gm_update *update,
                            gm_error *err) {
  const char *names[GM_RUN_NUMBERS + 4] = {"step"};
  double values[GM_RUN_NUMBERS + 4] = {(double)run->place.update};
  size_t n = 1;
  for (size_t i = 0; i < run->task.n_losses; i++, n++) {
    names[n] = run->task.losses[i];
    values[n] = mean_of(sums, i);
  }
  names[n] = "norm";
  values[n++] = update->norm;
  names[n] = "rate_factor";
  values[n++] = update->factor;
  names[n] = "seconds";
  values[n++] = round(100 * (now() - run->began)) / 100;
  return gm_record_log(&run->folder, update->skipped ? "skipped" : "update", names, values, n,
                       err);
}

static gm_status do_update(gm_run *run, gm_error *err) {
  gm_run_sums sums = {0};
  gm_update update;
  gm_training *t = &run->world.training;
  t->drop_key = gm_mix64(run->settings.seed * 0x9E3779B97F4A7C15u + run->place.update + 1);
  gm_params_clear(run->params, run->compute.pool);
  GM_TRY(add_gradients(run, &sums, err));
  GM_TRY(gm_optimiser_step(&run->optimiser, run->params,
                           (size_t)(run->settings.batch / run->settings.micro_batch),
                           run->compute.pool, &update, err));
  GM_TRY(run->task.refresh(run->task.self, err));
  run->place.data = gm_read_ahead_place(run->ahead);
  run->place.update++;
  for (size_t i = 0; i < GM_RUN_NUMBERS; i++) {
    run->place.losses.sum[i] += sums.sum[i];
    run->place.losses.count[i] += sums.count[i];
  }
  return log_update(run, &sums, &update, err);
}

/* ---- evaluation ---- */

static gm_status measure_one(gm_run *run, gm_read_ahead *ahead, gm_run_sums *sums,
                             gm_sheet_cell *cell, gm_error *err) {
  const gm_item *item;
  GM_TRY(poll(run, err));
  gm_status status = gm_read_ahead_next(ahead, &item, err);
  gm_run_tell_waiting(run);
  GM_TRY(status);
  GM_TRY(run->task.measure(run->task.self, item, sums, cell));
  return cell ? gm_run_sheet_item(run, cell, item, false, err) : GM_OK;
}

gm_status gm_run_evaluate(gm_run *run, gm_run_sums *sums, gm_sheet_cell *cells, size_t *n_cells,
                          gm_error *err) {
  enum { AHEAD = 4 };
  gm_run_sets *val = &run->data.val;
  gm_read_ahead *ahead;
  *sums = (gm_run_sums){0};
  *n_cells = 0;
  if (!val->n) return GM_OK;
  GM_TRY(gm_batches_seek(val->batches, (gm_place){0}, err));
  const gm_read_ahead_params params = gm_run_reading(run, val, 1, AHEAD, false);
  GM_TRY(gm_read_ahead_start(&ahead, &params, err));
  gm_status status = GM_OK;
  for (size_t i = 0; i < gm_batches_chunks(val->batches) && status == GM_OK; i++) {
    gm_sheet_cell *cell = cells && i < GM_SHEET_CELLS ? &cells[i] : NULL;
    *n_cells += cell != NULL;
    status = measure_one(run, ahead, sums, cell, err);
  }
  gm_read_ahead_free(ahead);
  return status;
}

/* Whether what was measured last is better than the best so far. */
static bool is_better(gm_run *run, const gm_run_sums *sums) {
  double value = NAN;
  bool lower = true;
  for (size_t i = 0; i < run->task.n_measures && isnan(value); i++) {
    value = mean_of(sums, i);
    lower = run->task.measures[i].lower_is_better;
  }
  if (isnan(value)) value = mean_of(&run->place.losses, 0);
  if (isnan(value)) return false;
  double best = run->place.best;
  if (!isnan(best) && (lower ? value >= best : value <= best)) return false;
  run->place.best = value;
  return true;
}

static gm_status write_row(gm_run *run, gm_record *record, const gm_run_sums *sums,
                           gm_error *err) {
  double row[GM_RECORD_COLUMNS];
  size_t n = 0;
  const gm_run_place *p = &run->place;
  const double chunks = (double)gm_batches_chunks(run->data.train.batches);
  row[n++] = (double)p->update;
  row[n++] = (double)p->update * (double)(run->settings.batch / run->settings.chunk) / chunks;
  row[n++] = round(100 * (now() - run->began)) / 100;
  for (size_t i = 0; i < run->task.n_losses; i++) row[n++] = mean_of(&p->losses, i);
  double factor =
      gm_lr_factor(p->update ? p->update - 1 : 0, run->length.warmup, run->length.total);
  for (size_t i = 0; i < GM_PARTS; i++)
    if (run->settings.learns[i]) row[n++] = run->settings.lr[i] * factor;
  for (size_t i = 0; run->data.val.n && i < run->task.n_measures; i++)
    row[n++] = mean_of(sums, i);
  char line[400];
  int at = snprintf(line, sizeof line, "step %.0f:", row[0]);
  for (size_t i = GM_RECORD_FIRST; i < record->n_columns && at < (int)sizeof line - 40; i++)
    if (isfinite(row[i]))
      at += snprintf(line + at, sizeof line - (size_t)at, " %s %.4g", record->names[i], row[i]);
  GM_TRY(gm_record_add(record, &run->folder, row, err));
  GM_TRY(gm_record_log(&run->folder, "evaluation", record->names, row, record->n_columns, err));
  gm_run_tell(run, false, "%s", line);
  return GM_OK;
}

/* With the averaged weights where the run has them. */
static gm_status evaluate_weights(gm_run *run, gm_record *record, gm_error *err) {
  gm_run_sums sums;
  gm_sheet_cell cells[GM_SHEET_CELLS] = {0};
  size_t n_cells = 0;
  gm_status status = gm_run_evaluate(run, &sums, cells, &n_cells, err);
  if (status == GM_OK)
    status = gm_sheet_write(cells, n_cells,
                            "Held-out pictures: blue is in the data, orange is the answer",
                            run->folder.paths[GM_RUN_PREDICTIONS], err);
  for (size_t i = 0; i < n_cells; i++) gm_sheet_cell_free(&cells[i]);
  GM_TRY(status);
  if (is_better(run, &sums)) {
    run->place.since_best = 0;
    GM_TRY(gm_run_write_model(run, GM_RUN_BEST, err));
  } else {
    run->place.since_best++;
  }
  return write_row(run, record, &sums, err);
}

static gm_status evaluate(gm_run *run, gm_record *record, gm_error *err) {
  const gm_run_place before = run->place;
  gm_params_swap_average(run->params, run->compute.pool);
  gm_status status = run->task.refresh(run->task.self, err);
  if (status == GM_OK) status = evaluate_weights(run, record, err);
  gm_params_swap_average(run->params, run->compute.pool);
  gm_status again = run->task.refresh(run->task.self, status == GM_OK ? err : NULL);
  if (status == GM_OK) status = again;
  if (status == GM_OK) {
    run->place.losses = (gm_run_sums){0};
    run->place.evaluated = run->place.update + 1;
  } else {
    run->place = before;
  }
  return status;
}

/* ---- the loop ---- */

static bool is_due(const gm_run *run, uint64_t every) {
  return run->place.update % every == 0 || run->place.update == run->length.updates;
}

static bool is_over(const gm_run *run) {
  if (run->place.update >= run->length.updates) return true;
  if (run->settings.patience && run->place.since_best >= run->settings.patience) return true;
  return run->enough && run->enough(run->enough_user);
}

static gm_status loop(gm_run *run, gm_record *record, gm_error *err) {
  for (;;) {
    bool baseline = run->place.update > 0 || run->data.val.n > 0;
    show_progress(run, 0);
    if (baseline && is_due(run, run->length.eval_every) &&
        run->place.evaluated != run->place.update + 1)
      GM_TRY(evaluate(run, record, err));
    bool over = is_over(run);
    if ((over || (run->place.update > 0 && is_due(run, run->length.save_every))) &&
        run->saved != run->place.update + 1)
      GM_TRY(gm_run_save(run, now() - run->began, err));
    if (over) return GM_OK;
    GM_TRY(poll(run, err));
    GM_TRY(do_update(run, err));
  }
}

static void name_columns(const gm_run *run, gm_record *record) {
  static const char *const first[] = {"step", "epoch", "seconds"};
  static const char *const rates[GM_PARTS] = {"lr_proposer", "lr_bridge", "lr_regions",
                                              "lr_embeddings", "lr_words"};
  for (size_t i = 0; i < GM_RECORD_FIRST; i++) record->names[record->n_columns++] = first[i];
  for (size_t i = 0; i < run->task.n_losses; i++)
    record->names[record->n_columns++] = run->task.losses[i];
  for (size_t i = 0; i < GM_PARTS; i++)
    if (run->settings.learns[i]) record->names[record->n_columns++] = rates[i];
  for (size_t i = 0; run->data.val.n && i < run->task.n_measures; i++)
    record->names[record->n_columns++] = run->task.measures[i].name;
}

static gm_status start_reading(gm_run *run, gm_error *err) {
  size_t ahead = run->settings.chunk >= 8 ? 1 : (size_t)(8 / run->settings.chunk);
  GM_TRY(gm_batches_seek(run->data.train.batches, run->place.data, err));
  const gm_read_ahead_params params =
      gm_run_reading(run, &run->data.train, (size_t)run->settings.chunk, ahead,
                     run->settings.stage == GM_TRAIN_DETECT);
  return gm_read_ahead_start(&run->ahead, &params, err);
}

gm_status gm_run_loop(gm_run *run, gm_error *err) {
  gm_record record = {0};
  GM_TRY(gm_run_restore(run, err));
  run->began = now() - run->place.seconds;
  run->resumed = run->place.update;
  name_columns(run, &record);
  gm_status status = gm_record_open(&record, &run->folder, err);
  if (status == GM_OK) status = start_reading(run, err);
  if (status == GM_OK) status = loop(run, &record, err);
  if (status == GM_ERR_CANCELLED && run->saved != run->place.update + 1) {
    gm_status saved = gm_run_save(run, now() - run->began, err);
    if (saved != GM_OK) status = saved;
  }
  gm_read_ahead_free(run->ahead);
  run->ahead = NULL;
  gm_record_free(&record);
  return status;
}
