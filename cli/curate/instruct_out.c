/* instruct_out.c - see instruct_out.h. */
#include "instruct_out.h"

#include "terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

char *instruct_held_path(const char *path) {
  size_t n = strlen(path);
  char *held = NULL;
  if (n > 6 && strcmp(path + n - 6, ".jsonl") == 0) n -= 6;
  return asprintf(&held, "%.*s-held.jsonl", (int)n, path) < 0 ? NULL : held;
}

bool instruct_is_held(const char *file_name, double share) {
  char sum[65];
  gm_sha256(file_name, strlen(file_name), sum);
  sum[8] = 0;
  return (double)strtoul(sum, NULL, 16) < share * 4294967296.0;
}

bool instruct_open(instruct_out *out, const char *path, const char *held_path, double share,
                   const char *model, const char *prompt) {
  time_t now = time(NULL);
  struct tm day;
  *out = (instruct_out){
      .held_path = held_path, .share = share, .source = {.model = model, .prompt = prompt}};
  if (!gmtime_r(&now, &day) ||
      !strftime(out->source.date, sizeof out->source.date, "%Y-%m-%d", &day))
    out->source.date[0] = 0;
  if (export_file_open(&out->file, path)) return true;
  cli_error("%s: cannot write: %s", path, strerror(errno));
  return false;
}

bool instruct_close(instruct_out *out, bool keep) {
  char *path = strdup(out->file.path);
  bool ok = export_file_close(&out->file, keep);
  if (keep && !ok) cli_error("%s: cannot write: %s", path ? path : "-o", strerror(errno));
  free(path);
  if (out->counts.held > 0 && !export_file_close(&out->held, keep && ok) && keep && ok) {
    cli_error("%s: cannot write: %s", out->held_path, strerror(errno));
    ok = false;
  }
  if (keep && ok && out->held_path && out->counts.held == 0) unlink(out->held_path);
  curate_samples_free(&out->samples);
  return ok;
}

static json_t *number(double value) {
  bool whole = value == (double)(json_int_t)value;
  return whole ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *boxes_of(const curate_picture *p) {
  json_t *all = json_array();
  for (size_t i = 0; i < p->n_boxes; i++) {
    const curate_box *b = &p->boxes[i];
    json_array_append_new(
        all, json_pack("[o, o, o, o]", number(b->x), number(b->y), number(b->w), number(b->h)));
  }
  return all;
}

/* The file that the picture's conversation goes to; NULL if it cannot be opened. */
static export_file *file_for(instruct_out *out, const curate_picture *p) {
  if (!out->held_path || !instruct_is_held(p->file, out->share)) return &out->file;
  if (out->counts.held == 0 && !export_file_open(&out->held, out->held_path)) {
    cli_error("%s: cannot write: %s", out->held_path, strerror(errno));
    return NULL;
  }
  out->counts.held++;
  return &out->held;
}

static bool write_line(instruct_out *out, const curate_picture *p, json_t *conversation) {
  const instruct_source *s = &out->source;
  export_file *file = file_for(out, p);
  if (!file) return false;
  json_t *line = json_pack("{s:o, s:s, s:I, s:I, s:o, s:O, s:{s:s, s:s, s:s}}", "id",
                           json_loads(p->id, JSON_DECODE_ANY, NULL), "file_name", p->file,
                           "width", (json_int_t)p->width, "height", (json_int_t)p->height,
                           "boxes", boxes_of(p), "conversation", conversation, "source",
                           "model", s->model, "date", s->date, "prompt", s->prompt);
  bool ok = line && json_dumpf(line, file->out, JSON_COMPACT | JSON_REAL_PRECISION(12)) == 0 &&
            fputc('\n', file->out) != EOF;
  json_decref(line);
  if (!ok) cli_error("%s: cannot write a line of %s", file->path, p->file);
  return ok;
}

static void count_kept(instruct_counts *c, const curate_picture *p,
                       const checked_reply *checked) {
  bool named[64] = {false}; /* more boxes than are ever marked */
  size_t i, k;
  json_t *turn, *box;
  json_array_foreach(checked->conversation, i, turn) {
    const json_t *inds = json_object_get(turn, "box_inds");
    c->answers += i % 2;
    c->marks += json_array_size(inds);
    json_array_foreach(inds, k, box) {
      json_int_t at = json_integer_value(box);
      if (at >= 0 && at < 64) named[at] = true;
    }
  }
  for (i = 0; i < 64; i++) c->named += named[i];
  c->boxes += p->n_boxes;
  c->turns += json_array_size(checked->conversation) / 2;
  c->repaired += checked->repaired;
  c->pictures++;
}

static bool check(checked_reply *checked, const curate_picture *p, const char *reply) {
  const char **texts = calloc(2 * p->n_boxes + 1, sizeof *texts);
  if (!texts) *checked = (checked_reply){0};
  for (size_t i = 0; texts && i < p->n_boxes; i++) {
    texts[i] = p->boxes[i].text;
    texts[p->n_boxes + i] = p->boxes[i].kind;
  }
  const marked_boxes boxes = {p->n_boxes, texts, texts ? texts + p->n_boxes : NULL};
  bool ok = texts && check_reply(checked, reply, &boxes);
  free(texts);
  if (!ok) cli_error("no memory for the reply about %s", p->file);
  return ok;
}

bool instruct_add(instruct_out *out, const curate_picture *p, const char *reply) {
  checked_reply checked;
  bool ok = check(&checked, p, reply);
  out->counts.replies++;
  for (size_t i = 0; i < checked.n_rejects; i++)
    out->counts.rejects[checked.rejects[i].reason]++;
  if (ok && checked.conversation) {
    count_kept(&out->counts, p, &checked);
    curate_samples_add(&out->samples, p, checked.conversation);
    ok = write_line(out, p, checked.conversation);
  }
  checked_reply_free(&checked);
  return ok;
}

static double ratio(size_t a, size_t b) {
  return b ? (double)a / (double)b : 0;
}

void instruct_report(const instruct_out *out, const curate_set *set) {
  const instruct_counts *c = &out->counts;
  fprintf(stderr,
          "pictures with boxes to mark  %zu (%zu others have fewer than 3)\n"
          "replies                      %zu\n"
          "conversations kept           %zu, of %zu turns; %zu repaired; %zu held out\n"
          "boxes per picture            %.1f\n"
          "marks per answer             %.2f\n"
          "boxes that no answer names   %.0f %%\n",
          set->n, set->few, c->replies, c->pictures, c->turns, c->repaired, c->held,
          ratio(c->boxes, c->pictures), ratio(c->marks, c->answers),
          100 * ratio(c->boxes - c->named, c->boxes));
  for (int i = REPLY_EMPTY; i < N_REPLY_REASONS; i++)
    if (c->rejects[i])
      fprintf(stderr, "rejected: %-18s %zu\n", reply_reason_names[i], c->rejects[i]);
}
