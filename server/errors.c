/* errors.c - see errors.h. */
#include "errors.h"

#include "api.h"

#include "answer_json.h"

static const char *type_of(int status) {
  switch (status) {
  case 401:
    return "authentication_error";
  case 403:
    return "permission_error";
  case 404:
    return "not_found_error";
  case 429:
    return "rate_limit_error";
  case 503:
    return "unavailable_error";
  case 504:
    return "timeout_error";
  default:
    return status < 500 ? "invalid_request_error" : "server_error";
  }
}

static const char *type_of_anthropic(int status) {
  if (status == 413) return "request_too_large";
  if (status == 503) return "overloaded_error";
  return status == 500 ? "api_error" : type_of(status);
}

json_t *srv_error_json(const srv_work *work, int status, const char *code,
                       const char *message) {
  if (work == &srv_messages)
    return json_pack("{s:s, s:{s:s, s:o, s:s}}", "type", "error", "error", "type",
                     type_of_anthropic(status), "message", out_json_text(message), "code",
                     code);
  return json_pack("{s:{s:o, s:s, s:n, s:s}}", "error", "message", out_json_text(message),
                   "type", type_of(status), "param", "code", code);
}

json_t *srv_error_event_json(srv_job *job, int status, const char *code, const char *message) {
  if (job->work != &srv_responses) return srv_error_json(job->work, status, code, message);
  return json_pack("{s:s, s:s, s:o, s:n, s:i}", "type", "error", "code", code, "message",
                   out_json_text(message), "param", "sequence_number", job->sequence++);
}

const char *srv_error_event_name(const srv_work *work) {
  return work == &srv_messages || work == &srv_responses ? "error" : NULL;
}
