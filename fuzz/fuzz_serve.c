/* fuzz_serve.c - what strangers send to gromatic serve: a letter for the address, the line of
 * the Content-Type, and the body. It is read as far as the place where it would wait for a
 * slot. */
#include "support.h"

#include "api.h"
#include "plan.h"

#include <stdlib.h>
#include <string.h>

static const srv_work *const works[] = {&srv_detect,    &srv_ground,    &srv_describe,
                                        &srv_classify,  &srv_detection, &srv_chat_completions,
                                        &srv_responses, &srv_messages};

static void check_error(const srv_job *job) {
  json_t *answer = json_loadb(job->out, job->n_out, 0, NULL);
  json_t *error = json_object_get(answer, "error");
  fuzz_check(json_string_length(json_object_get(error, "message")) > 0);
  fuzz_check(json_string_length(json_object_get(error, "code")) > 0);
  json_decref(answer);
}

static void check_base64(const char *text, size_t n) {
  char *bytes;
  size_t size;
  if (!srv_base64_read(text, n, &bytes, &size)) return;
  fuzz_check(size > 0 && size <= n / 4 * 3 + 2);
  fuzz_touch(bytes, size);
  free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 1) return 0;
  const char *text = (const char *)bytes + 1, *end = memchr(text, '\n', size - 1);
  if (!end) {
    check_base64(text, size - 1);
    return 0;
  }
  static const srv_settings settings = {.timeout = 600};
  static srv s = {.settings = &settings, .wake = -1};
  s.models.n = 1;
  s.models.names[0] = "m";
  s.models.clip_name = "c";
  size_t n_type = (size_t)(end - text), n_body = size - 2 - n_type;
  char *type = strndup(text, n_type), *body = malloc(n_body ? n_body : 1);
  fuzz_check(type && body);
  memcpy(body, end + 1, n_body);
  const srv_work *work = works[bytes[0] % (sizeof works / sizeof works[0])];
  srv_job *job = srv_job_begin(&s, work, "a", body, n_body, 0, type);
  fuzz_check(job);
  if (work->prepare(job)) {
    const srv_plan *plan = job->plan;
    fuzz_check(job->status == 0 && plan->picture && plan->picture->size > 3);
    for (size_t i = 0; i < plan->n_texts; i++) fuzz_check(plan->texts[i]);
  } else {
    fuzz_check(job->status >= 400 && job->status < 600);
    check_error(job);
  }
  for (srv_job *told; (told = srv_jobs_news(&s));) srv_job_free(told);
  s.all = s.readers.first = s.readers.last = NULL;
  s.n_jobs = s.readers.n = 0;
  srv_job_free(job);
  srv_job_free(job);
  fuzz_check(s.pictures.alive == s.pictures.bytes);
  srv_pictures_free(&s.pictures);
  fuzz_check(s.pictures.alive == 0);
  s.pictures.bytes = 0;
  return 0;
}
