/* run_checkpoint.c - see run_checkpoint.h. */
#include "run_checkpoint.h"

#include "bytes.h"
#include "train_state.h"
#include "trained_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- models ---- */

gm_status gm_run_write_model(const gm_run *run, gm_run_file file, gm_error *err) {
  char step[32], stage[8];
  if (run->write_model) return run->write_model(run, run->folder.paths[file], err);
  snprintf(step, sizeof step, "%llu", (unsigned long long)run->place.update);
  snprintf(stage, sizeof stage, "%d", (int)run->settings.stage);
  const gm_trained_note notes[] = {{"gromatic.training.stage", stage},
                                   {"gromatic.training.updates", step},
                                   {"gromatic.training.run", run->identity}};
  const gm_trained_options options = {.type = GM_TYPE_COUNT,
                                      .notes = notes,
                                      .n_notes = sizeof notes / sizeof notes[0],
                                      .pool = run->compute.pool};
  return gm_trained_write(run->params, run->folder.paths[file], &options, err);
}

/* ---- the place as bytes: 64-bit words, little endian ---- */

enum { WORDS = 7 + 2 * GM_RUN_NUMBERS + GM_RUN_LISTS, PLACE_BYTES = 8 * WORDS };

static uint64_t bits_of(double v) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}

static double double_of(uint64_t bits) {
  double v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

static void put_place(unsigned char *out, const gm_run_place *p) {
  uint64_t words[WORDS] = {p->data.epoch, p->data.chunk,    p->update,          p->since_best,
                           p->evaluated,  bits_of(p->best), bits_of(p->seconds)};
  size_t n = 7;
  for (size_t i = 0; i < GM_RUN_NUMBERS; i++) {
    words[n++] = bits_of(p->losses.sum[i]);
    words[n++] = bits_of(p->losses.count[i]);
  }
  for (size_t i = 0; i < GM_RUN_LISTS; i++) words[n++] = p->lengths[i];
  for (size_t i = 0; i < WORDS; i++) gm_put_le(out + 8 * i, words[i], 8);
}

static void take_place(gm_run_place *p, const unsigned char *in) {
  uint64_t words[WORDS];
  size_t n = 7;
  for (size_t i = 0; i < WORDS; i++) words[i] = gm_le64(in + 8 * i);
  *p = (gm_run_place){.data = {words[0], words[1]},
                      .update = words[2],
                      .since_best = words[3],
                      .evaluated = words[4],
                      .best = double_of(words[5]),
                      .seconds = double_of(words[6])};
  for (size_t i = 0; i < GM_RUN_NUMBERS; i++) {
    p->losses.sum[i] = double_of(words[n++]);
    p->losses.count[i] = double_of(words[n++]);
  }
  for (size_t i = 0; i < GM_RUN_LISTS; i++) p->lengths[i] = words[n++];
}

/* ---- the state ---- */

static gm_status write_last(gm_run *run, gm_error *err) {
  gm_params_swap_average(run->params, run->compute.pool);
  gm_status status = gm_run_write_model(run, GM_RUN_LAST, err);
  gm_params_swap_average(run->params, run->compute.pool);
  return status;
}

gm_status gm_run_save(gm_run *run, double seconds, gm_error *err) {
  unsigned char place[PLACE_BYTES];
  GM_TRY(write_last(run, err));
  GM_TRY(gm_run_folder_sync(&run->folder, err));
  run->place.seconds = seconds;
  memcpy(run->place.lengths, run->folder.lengths, sizeof run->place.lengths);
  put_place(place, &run->place);
  const gm_train_state state = {.run = run->identity,
                                .params = run->params,
                                .optimiser = &run->optimiser,
                                .place = place,
                                .place_bytes = sizeof place};
  GM_TRY(gm_train_state_write(&state, run->folder.paths[GM_RUN_STATE], err));
  run->saved = run->place.update + 1;
  return GM_OK;
}

static gm_status read_state(gm_run *run, gm_error *err) {
  gm_train_state state = {
      .run = run->identity, .params = run->params, .optimiser = &run->optimiser};
  GM_TRY(gm_train_state_read(&state, run->folder.paths[GM_RUN_STATE], err));
  gm_status status = GM_OK;
  if (state.place_bytes == PLACE_BYTES)
    take_place(&run->place, state.place);
  else
    status = gm_fail(err, GM_ERR_MODEL, "%s: the state is of another version of gromatic",
                     run->folder.paths[GM_RUN_STATE]);
  free(state.place);
  return status;
}

gm_status gm_run_restore(gm_run *run, gm_error *err) {
  run->place = (gm_run_place){.best = NAN};
  if (gm_run_folder_has(&run->folder, GM_RUN_STATE)) {
    GM_TRY(read_state(run, err));
    run->saved = run->place.update + 1;
    gm_run_tell(run, false, "goes on after step %llu", (unsigned long long)run->place.update);
  }
  for (int i = 0; i < GM_RUN_LISTS; i++)
    GM_TRY(gm_run_folder_cut(&run->folder, (gm_run_list)i, run->place.lengths[i], err));
  return run->task.refresh(run->task.self, err);
}

/* ---- pictures ---- */

gm_read_ahead_params gm_run_reading(gm_run *run, gm_run_sets *sets, size_t chunk, size_t ahead,
                                    bool augment) {
  return (gm_read_ahead_params){
      .sets = (const gm_data_set *const *)sets->all,
      .batches = sets->batches,
      .chunk_size = chunk,
      .seed = run->settings.seed ^ run->data.config.seed,
      .visit = {.side = run->hparams.image_size,
                .all_regions = run->settings.stage == GM_TRAIN_INSTRUCT},
      .norm = run->hparams.pixel_norm,
      .augment = augment,
      .threads = run->readers,
      .ahead = ahead,
      .report = &run->data.report,
      .wants_pixels = run->task.wants_pixels,
      .user = run->task.self};
}

gm_status gm_run_sheet_item(const gm_run *run, gm_sheet_cell *cell, const gm_item *item,
                            bool data, gm_error *err) {
  const gm_sample *s = &item->sample;
  size_t side = run->hparams.image_size;
  float *pixels;
  GM_TRY(gm_item_pixels(item, side, &run->hparams.pixel_norm, run->compute.pool, &pixels, err));
  gm_status status = gm_sheet_picture(cell, pixels, side, &run->hparams.pixel_norm, err);
  free(pixels);
  GM_TRY(status);
  if (!data) return GM_OK;
  if (s->task == GM_TASK_DETECT) GM_TRY(gm_sheet_boxes(cell, s->boxes, s->n_boxes, true, err));
  GM_TRY(gm_sheet_boxes(cell, s->refer, s->n_refer, true, err));
  GM_TRY(gm_sheet_boxes(cell, s->ground, s->n_ground, true, err));
  if (s->n_turns && asprintf(&cell->text, "asked: %s\nanswer: %s", s->turns[0].question,
                             s->turns[0].answer) < 0) {
    cell->text = NULL;
    return gm_fail_memory(err, "a picture's text", 0);
  }
  return GM_OK;
}
