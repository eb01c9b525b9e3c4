/* openapi.c - /openapi.json: openapi.json, with the requests' members from the table by which
 * they are checked (members.h), and every address that the server knows (routes.h). */
#include "api.h"
#include "members.h"
#include "routes.h"
#include "state.h"

#include <ctype.h>
#include <string.h>

extern const char srv_openapi_begin[], srv_openapi_end[];

static json_t *error_answer(void) {
  return json_pack("{s:s}", "$ref", "#/components/responses/Error");
}

/* Answers that every address can give. */
static void add_errors(json_t *responses, bool takes_body) {
  static const char *const all[] = {"400", "401", "403"};
  static const char *const of_work[] = {"404", "413", "429", "500", "503", "504"};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    json_object_set_new(responses, all[i], error_answer());
  for (size_t i = 0; takes_body && i < sizeof of_work / sizeof of_work[0]; i++)
    json_object_set_new(responses, of_work[i], error_answer());
}

/* "image phrases" */
static json_t *split(const char *names) {
  json_t *list = json_array();
  while (*names) {
    size_t n = strcspn(names, " ");
    json_array_append_new(list, json_stringn(names, n));
    names += n + (names[n] == ' ');
  }
  return list;
}

/* The body of work whose members are all in the table. wanted: those that must be there. */
static json_t *body_of(const srv_work *work, const char *wanted) {
  json_t *members = json_object(), *of_form = json_object();
  bool named = false;
  for (const char *const *at = work->members; *at; at++) {
    json_object_set_new(members, *at, srv_member_schema(srv_member_named(*at)));
    json_object_set_new(of_form, *at,
                        strcmp(*at, "image") == 0
                            ? json_pack("{s:s, s:s}", "type", "string", "format", "binary")
                            : json_object());
    named = named || strcmp(*at, "descriptions") == 0;
  }
  json_object_set_new(of_form, "json",
                      json_pack("{s:s}", "description", "all of them, as JSON"));
  json_t *schema = json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "required",
                             split(wanted), "properties", members, "additionalProperties", 0);
  if (named) /* a list of classes, or the names of their descriptions */
    json_object_set_new(
        schema, "anyOf",
        json_pack("[{s:[s]}, {s:[s]}]", "required", "classes", "required", "descriptions"));
  json_t *form = json_pack("{s:s, s:o}", "type", "object", "properties", of_form);
  return json_pack("{s:b, s:{s:{s:o}, s:{s:o}}}", "required", 1, "content", "application/json",
                   "schema", schema, "multipart/form-data", "schema", form);
}

/* An address that openapi.json does not have. */
static json_t *plain_operation(const srv_route *route) {
  json_t *operation = json_pack("{s:{s:{s:s}}}", "responses", "200", "description", "answered");
  if (route->work)
    json_object_set_new(operation, "requestBody",
                        json_pack("{s:{s:{s:{s:s}}}}", "content", "application/json", "schema",
                                  "type", "object"));
  return operation;
}

static void add_route(json_t *paths, const srv_route *route) {
  char method[8] = "";
  for (size_t i = 0; route->method[i] && i + 1 < sizeof method; i++)
    method[i] = (char)tolower((unsigned char)route->method[i]);
  json_t *path = json_object_get(paths, route->path);
  if (!path) {
    json_object_set_new(paths, route->path, json_object());
    path = json_object_get(paths, route->path);
  }
  json_t *operation = json_object_get(path, method);
  if (!operation) {
    json_object_set_new(path, method, plain_operation(route));
    return;
  }
  if (route->work && route->work->members) {
    json_t *body = json_object_get(operation, "requestBody");
    const char *wanted = json_string_value(json_object_get(body, "x-wanted"));
    json_object_set_new(operation, "requestBody", body_of(route->work, wanted ? wanted : ""));
  }
  add_errors(json_object_get(operation, "responses"), route->work != NULL);
}

srv_quick srv_openapi(srv *server) {
  (void)server;
  json_t *root =
      json_loadb(srv_openapi_begin, (size_t)(srv_openapi_end - srv_openapi_begin), 0, NULL);
  json_t *paths = json_object_get(root, "paths");
  for (const srv_route *at = srv_routes; paths && at->path; at++) add_route(paths, at);
  json_object_set_new(json_object_get(root, "info"), "version", json_string(gm_version()));
  char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(10));
  json_decref(root);
  return (srv_quick){200, "application/json", text};
}
