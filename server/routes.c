/* routes.c - see routes.h. */
#include "routes.h"

#include "api.h"

#include <string.h>

const srv_route srv_routes[] = {
    {"GET", "/health", true, srv_health, NULL},
    {"GET", "/v1/health", true, srv_health, NULL},
    {"GET", "/v1/models", false, srv_list_models, NULL},
    {"GET", "/props", false, srv_props, NULL},
    {"GET", "/lora-adapters", false, srv_list_adapters, NULL},
    {"GET", "/slots", false, srv_list_slots, NULL},
    {"GET", "/metrics", false, srv_list_metrics, NULL},
    {"GET", "/openapi.json", true, srv_openapi, NULL},
    {"POST", "/v1/detect", false, NULL, &srv_detect},
    {"POST", "/v1/ground", false, NULL, &srv_ground},
    {"POST", "/v1/describe", false, NULL, &srv_describe},
    {"POST", "/v1/classify", false, NULL, &srv_classify},
    {"POST", "/v1/label", false, NULL, &srv_label},
    {"POST", "/v1/detection", false, NULL, &srv_detection},
    {"POST", "/v1/chat/completions", false, NULL, &srv_chat_completions},
    {"POST", "/v1/responses", false, NULL, &srv_responses},
    {"POST", "/v1/messages", false, NULL, &srv_messages},
    {"GET", "/ls/", true, srv_ls_health, NULL},
    {"GET", "/ls/health", true, srv_ls_health, NULL},
    {"GET", "/ls/versions", false, srv_ls_versions, NULL},
    {"GET", "/ls/metrics", false, srv_ls_metrics, NULL},
    {"POST", "/ls/setup", false, NULL, &srv_ls_setup},
    {"POST", "/ls/predict", false, NULL, &srv_ls_predict},
    {"POST", "/ls/webhook", false, NULL, &srv_ls_webhook},
    {.path = NULL},
};

const char *srv_find_route(const char *method, const char *path, const srv_route **route) {
  const char *allowed = NULL;
  *route = NULL;
  for (const srv_route *at = srv_routes; at->path; at++) {
    if (strcmp(at->path, path) != 0) continue;
    allowed = at->quick ? "GET, HEAD" : "POST";
    bool head = at->quick && strcmp(method, "HEAD") == 0;
    if (head || strcmp(at->method, method) == 0) *route = at;
  }
  return allowed;
}
