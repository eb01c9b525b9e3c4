/* label_studio_hosts.c - see label_studio_hosts.h. */
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Length of "http://name:port" at the beginning; 0: it is no such address. */
static size_t origin_length(const char *url) {
  size_t n = strncasecmp(url, "http://", 7) == 0    ? 7
             : strncasecmp(url, "https://", 8) == 0 ? 8
                                                    : 0;
  size_t host = n ? strcspn(url + n, "/?#") : 0;
  return host ? n + host : 0;
}

/* What stands in a header must be printable, without spaces. */
static bool is_plain(const char *text) {
  for (; *text; text++)
    if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f) return false;
  return true;
}

bool srv_ls_token_fits(const char *token) {
  return strlen(token) < sizeof((srv_ls_host *)0)->token && is_plain(token);
}

/* url and token, each or NULL, into out; *_name for messages. */
static gm_status read_host(srv_ls_host *out, const char *url, const char *url_name,
                           const char *token, const char *token_name, gm_error *err) {
  *out = (srv_ls_host){0};
  if (url && *url &&
      (strlen(url) >= sizeof out->url || !is_plain(url) || origin_length(url) == 0 ||
       strpbrk(url, "@?#"))) {
    snprintf(err->message, sizeof err->message,
             "%s: found '%.100s', wanted the address of Label Studio as http://localhost:8080",
             url_name, url);
    return err->status = GM_ERR_ARGUMENT;
  }
  if (token && !srv_ls_token_fits(token)) {
    snprintf(err->message, sizeof err->message,
             "%s: wanted a token of Label Studio, at most %zu letters without spaces",
             token_name, sizeof out->token - 1);
    return err->status = GM_ERR_ARGUMENT;
  }
  snprintf(out->url, sizeof out->url, "%s", url ? url : "");
  for (size_t n = strlen(out->url); n > 0 && out->url[n - 1] == '/'; n--) out->url[n - 1] = 0;
  snprintf(out->token, sizeof out->token, "%s", token ? token : "");
  return GM_OK;
}

gm_status srv_ls_host_keep(srv *s, const char *client, const char *project, const char *url,
                           const char *token, gm_error *err) {
  srv_ls_host host;
  srv_ls_hosts *all = &s->label_studio;
  if (read_host(&host, url, "hostname", token, "access_token", err) != GM_OK)
    return err->status;
  if (strlen(project) >= sizeof all->known[0].project) {
    snprintf(err->message, sizeof err->message, "project: wanted at most %zu letters",
             sizeof all->known[0].project - 1);
    return err->status = GM_ERR_ARGUMENT;
  }
  pthread_mutex_lock(&s->lock);
  size_t i = 0;
  while (i < SRV_LS_PROJECTS && (strcmp(all->known[i].client, client) != 0 ||
                                 strcmp(all->known[i].project, project) != 0))
    i++;
  if (i == SRV_LS_PROJECTS) {
    i = all->next;
    all->next = (all->next + 1) % SRV_LS_PROJECTS;
  }
  snprintf(all->known[i].client, sizeof all->known[i].client, "%s", client);
  snprintf(all->known[i].project, sizeof all->known[i].project, "%s", project);
  all->known[i].host = host;
  pthread_mutex_unlock(&s->lock);
  return GM_OK;
}

gm_status srv_ls_host_find(srv *s, const char *client, const char *project, srv_ls_host *out,
                           gm_error *err) {
  const srv_ls_hosts *all = &s->label_studio;
  const char *url = getenv("LABEL_STUDIO_URL"), *token = getenv("LABEL_STUDIO_API_KEY");
  if (url && !*url) url = NULL;
  if (token && !*token) token = NULL;
  *out = (srv_ls_host){0};
  pthread_mutex_lock(&s->lock);
  for (size_t i = 0; i < SRV_LS_PROJECTS; i++)
    if (strcmp(all->known[i].client, client) == 0 &&
        strcmp(all->known[i].project, project) == 0)
      *out = all->known[i].host;
  pthread_mutex_unlock(&s->lock);
  if (!url && token) { /* it must not go to whatever host a client names */
    snprintf(
        err->message, sizeof err->message,
        "found LABEL_STUDIO_API_KEY without LABEL_STUDIO_URL, wanted both or neither in the "
        "server's environment");
    return err->status = GM_ERR_ARGUMENT;
  }
  if (!url) return GM_OK;
  srv_ls_host given;
  if (read_host(&given, url, "LABEL_STUDIO_URL", token, "LABEL_STUDIO_API_KEY", err) != GM_OK)
    return err->status;
  /* The same Label Studio, known by its own name or another: its token stays valid. */
  if (!token) memcpy(given.token, out->token, sizeof given.token);
  *out = given;
  return GM_OK;
}

bool srv_ls_host_has(const srv_ls_host *host, const char *address) {
  size_t n = origin_length(host->url);
  return n > 0 && origin_length(address) == n && strncasecmp(host->url, address, n) == 0;
}
