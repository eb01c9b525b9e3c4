/* words.c - see words.h. */
#include "words.h"

#include <stdlib.h>
#include <string.h>

bool srv_stops_read(srv_job *job, const char *name, const char *stops[SRV_MAX_STOPS],
                    size_t *n) {
  json_t *stop = json_object_get(((srv_plan *)job->plan)->json, name);
  *n = 0;
  if (!stop || json_is_null(stop)) return true;
  size_t count = json_is_array(stop) ? json_array_size(stop) : 1;
  bool ok = count <= SRV_MAX_STOPS;
  for (size_t i = 0; ok && i < count; i++) {
    json_t *one = json_is_array(stop) ? json_array_get(stop, i) : stop;
    ok = json_is_string(one) && json_string_length(one) > 0 && json_string_length(one) <= 256;
    if (ok) stops[(*n)++] = json_string_value(one);
  }
  if (!ok)
    srv_reply_error(job, 400, "bad_argument",
                    "%s: wanted a string of 1 to 256 bytes, or up to %d of them", name,
                    SRV_MAX_STOPS);
  return ok;
}

/* How many bytes at the end of the text begin a stop. */
static size_t held(const srv_words *w) {
  size_t most = 0;
  for (size_t i = 0; i < w->n_stops; i++) {
    size_t length = strlen(w->stops[i]);
    for (size_t k = length - 1; k > most; k--)
      if (k <= w->n && memcmp(w->text + w->n - k, w->stops[i], k) == 0) most = k;
  }
  return most;
}

bool srv_words_add(srv_words *w, const char *piece, size_t n) {
  if (w->stopped) return true;
  size_t before = w->shown;
  char *grown = realloc(w->text, w->n + n + 1);
  if (!grown) return false;
  w->text = grown;
  memcpy(grown + w->n, piece, n);
  w->n += n;
  grown[w->n] = 0;
  for (size_t i = 0; i < w->n_stops; i++) {
    char *at = strstr(grown, w->stops[i]);
    if (!at) continue;
    *at = 0;
    w->n = (size_t)(at - grown);
    w->stopped = w->stops[i];
  }
  w->shown = w->stopped ? w->n : w->n - held(w);
  /* A stop may begin within a character. */
  while (w->shown > before && w->shown < w->n &&
         ((unsigned char)grown[w->shown] & 0xc0) == 0x80)
    w->shown--;
  if (w->shown < before) w->shown = before;
  return true;
}

void srv_words_end(srv_words *w) {
  w->shown = w->n;
}
