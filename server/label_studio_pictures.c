/* label_studio_pictures.c - see label_studio_pictures.h. */
#include "label_studio_pictures.h"

#include "fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool begins(const char *text, const char *with) {
  return strncasecmp(text, with, strlen(with)) == 0;
}

bool srv_ls_is_here(const char *address) {
  return begins(address, "data:") || begins(address, "sha256:") ||
         begins(address, "/9j/") || /* base64 of a JPEG */
         !(strstr(address, "://") || address[0] == '/' || begins(address, "upload/"));
}

static bool is_over(void *job) {
  return srv_job_over(job);
}

/* A personal access token, a JSON web token with dots, is valid for one thing only: to get
 * another one, which opens pictures for some minutes. */
static bool exchange_token(srv_job *job, srv_ls_host *host) {
  gm_error err = {0};
  char url[sizeof host->url + 32], *bytes = NULL;
  size_t size = 0;
  json_t *question = json_pack("{s:s}", "refresh", host->token), *answer = NULL;
  char *text = json_dumps(question, JSON_COMPACT);
  snprintf(url, sizeof url, "%s/api/token/refresh/", host->url);
  json_decref(question);
  if (!text)
    srv_reply_error(job, 503, "out_of_memory", "no memory for a token");
  else if (srv_fetch(&job->server->hosts, url, NULL, text, is_over, job, &bytes, &size, &err) ==
           GM_OK)
    answer = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, NULL);
  else
    srv_reply_error(job, 400, "image_not_fetched",
                    "cannot exchange the personal access token of Label Studio: %s",
                    err.message);
  free(text);
  const char *access = json_string_value(json_object_get(answer, "access"));
  bool ok = access && srv_ls_token_fits(access);
  if (ok) {
    snprintf(host->token, sizeof host->token, "%s", access);
    host->exchanged = true;
  } else if (bytes) {
    srv_reply_error(job, 400, "image_not_fetched",
                    "found no token in the answer of Label Studio to a personal access token");
  }
  json_decref(answer);
  free(bytes);
  return ok;
}

/* The header's value in line, or "" where there is no token. False after an answer. */
static bool authorize(srv_job *job, srv_ls_host *host, char *line, size_t size) {
  bool web_token = strchr(host->token, '.') != NULL;
  *line = 0;
  if (web_token && !host->exchanged && !exchange_token(job, host)) return false;
  if (host->token[0])
    snprintf(line, size, "%s %s", web_token ? "Bearer" : "Token", host->token);
  return true;
}

static bool fetch_own(srv_job *job, srv_ls_host *host, const char *url) {
  char line[sizeof host->token + 16];
  return authorize(job, host, line, sizeof line) &&
         srv_plan_fetch(job, job->plan, url, *line ? line : NULL);
}

/* A place at Label Studio itself: its pages name it without a host. */
static bool open_own(srv_job *job, srv_ls_host *host, const char *address) {
  char url[4096];
  if (!host->url[0]) {
    srv_reply_error(job, 400, "bad_argument",
                    "found %.200s, a picture at Label Studio, whose address is not known; set "
                    "LABEL_STUDIO_URL where this server is started",
                    address);
    return false;
  }
  int n =
      snprintf(url, sizeof url, "%s%s%s", host->url, *address == '/' ? "" : "/data/", address);
  if (n < (int)sizeof url) return fetch_own(job, host, url);
  srv_reply_error(job, 400, "bad_argument", "found the address of a picture that is too long");
  return false;
}

bool srv_ls_open(srv_job *job, srv_ls_host *host, const char *address) {
  if (address[0] == '/' || begins(address, "upload/")) return open_own(job, host, address);
  if (srv_ls_host_has(host, address)) return fetch_own(job, host, address);
  if (begins(address, "http://") || begins(address, "https://"))
    return srv_plan_fetch(job, job->plan, address, NULL);
  if (!begins(address, "file:") && strstr(address, "://")) {
    srv_reply_error(job, 400, "bad_argument",
                    "found %.200s, which is in a store that only Label Studio opens; wanted "
                    "pictures with http or https, uploaded ones, or data URIs",
                    address);
    return false;
  }
  return srv_plan_picture(job, job->plan, address);
}
