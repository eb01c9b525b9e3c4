/* log.c - see log.h. */
#include "log.h"

#include "answer_json.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 4096 }; /* a pipe that has room at all has so much (PIPE_BUF) */

/* A line of at most AT_ONCE bytes, whole or not at all: who reads the log slowly, or not, is
 * not to stop the thread that speaks HTTP. */
static void put(const char *mark, const char *text) {
  struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
  char line[AT_ONCE];
  if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT)) return;
  int n = snprintf(line, sizeof line, "%s%s\n", mark, text);
  size_t size = n < 0 ? 0 : (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
  (void)!write(STDERR_FILENO, line, size);
}

static void print(const srv_settings *settings, json_t *object, const char *text) {
  char *line = NULL;
  if (settings->log_json) {
    char when[32];
    time_t now = time(NULL);
    struct tm utc;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    json_object_set_new(object, "time", json_string(when));
    line = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
    text = line;
  }
  json_decref(object);
  if (text) put(settings->log_json ? "" : "gromatic: ", text);
  free(line);
}

/* What a stranger wrote may steer a terminal. */
static void plain(char *text) {
  for (; *text; text++)
    if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f) *text = '?';
}

void srv_log_request(const srv_settings *settings, const srv_log_line *l) {
  char text[400], path[128];
  const srv_job *job = l->job, *ended = l->ended ? job : NULL;
  if (settings->quiet) return;
  snprintf(path, sizeof path, "%s", l->path);
  plain(path);
  const char *code = l->code ? l->code : ended && ended->error[0] ? ended->error : "";
  snprintf(text, sizeof text, "%s %s %d %.3f s%s%s%s%s", l->method, path, l->status, l->seconds,
           job ? " " : "", job ? job->id : "", *code ? " " : "", code);
  plain(text);
  json_t *object = json_pack("{s:s, s:o, s:s, s:i, s:o, s:I, s:I}", "event", "request",
                             "method", out_json_text(l->method), "path", path, "status",
                             l->status, "seconds", out_json_number(l->seconds), "bytes_in",
                             (json_int_t)l->bytes_in, "key", (json_int_t)l->key);
  if (*code) json_object_set_new(object, "error", json_string(code));
  if (job) json_object_set_new(object, "id", json_string(job->id));
  if (ended) {
    if (job->model) json_object_set_new(object, "model", json_string(job->model));
    json_object_set_new(object, "waited", out_json_number(job->waited));
    json_object_set_new(object, "ran", out_json_number(job->ran));
    json_object_set_new(object, "prompt_tokens", json_integer((json_int_t)job->usage.prompt));
    json_object_set_new(object, "cached_tokens", json_integer((json_int_t)job->usage.cached));
    json_object_set_new(object, "generated_tokens",
                        json_integer((json_int_t)job->usage.generated));
    if (settings->log_prompts && job->question) {
      char begin[501]; /* so that the line is short enough to be written at once */
      snprintf(begin, sizeof begin, "%s", job->question);
      json_object_set_new(object, "question", out_json_text(begin));
    }
  }
  print(settings, object, text);
}

void srv_log(const srv_settings *settings, const char *format, ...) {
  char text[1400];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  plain(text);
  print(settings, json_pack("{s:s, s:s}", "event", "server", "message", text), text);
}
