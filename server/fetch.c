/* fetch.c - see fetch.h. */
#include "fetch.h"

#include "limits.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fetch {
  const srv_host *host;
  bool (*over)(void *user);
  void *user;
  char *bytes;
  size_t size, room;
  bool too_large, inside; /* why it was given up */
} fetch;

bool srv_fetch_begin(void) {
  return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

void srv_fetch_end(void) {
  curl_global_cleanup();
}

static gm_status fail(gm_error *err, gm_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static gm_status fail(gm_error *err, gm_status status, const char *format, ...) {
  va_list list;
  va_start(list, format);
  vsnprintf(err->message, sizeof err->message, format, list);
  va_end(list);
  return err->status = status;
}

/* ---- the host ---- */

static char *part(CURLU *url, CURLUPart what, unsigned flags) {
  char *text = NULL;
  return curl_url_get(url, what, &text, flags) == CURLUE_OK ? text : NULL;
}

/* The entry of the URL's host; NULL after an error. libcurl writes the host as it will use it:
 * 0x7f.1 is 127.0.0.1 here. */
static const srv_host *host_of(const srv_hosts *hosts, CURLU *url, gm_error *err) {
  char *scheme = part(url, CURLUPART_SCHEME, 0), *name = part(url, CURLUPART_HOST, 0);
  char *port = part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  char *user = part(url, CURLUPART_USER, 0), *password = part(url, CURLUPART_PASSWORD, 0);
  bool secure = scheme && strcmp(scheme, "https") == 0;
  bool web = secure || (scheme && strcmp(scheme, "http") == 0);
  unsigned number = port ? (unsigned)strtoul(port, NULL, 10) : 0;
  const srv_host *host = NULL;
  if (name && *name == '[') { /* version 6 */
    name[strlen(name) - 1] = 0;
    memmove(name, name + 1, strlen(name));
  }
  if (web && name && !user && !password)
    host = srv_hosts_find(hosts, name, number, number == (secure ? 443U : 80U));
  if (!host)
    fail(err, GM_ERR_ARGUMENT,
         user || password ? "found a name or password in the address of a picture"
         : web            ? "pictures are not fetched from %.200s, port %u; send the picture "
                            "itself, or name the host with --allow-url-hosts"
                          : "wanted the address of a picture with http or https",
         name ? name : "nowhere", number);
  curl_free(scheme);
  curl_free(name);
  curl_free(port);
  curl_free(user);
  curl_free(password);
  return host;
}

/* ---- the transfer ---- */

static curl_socket_t open_socket(void *user, curlsocktype purpose,
                                 struct curl_sockaddr *address) {
  fetch *f = user;
  (void)purpose;
  f->inside = !f->host->inside && !srv_address_is_public(&address->addr);
  if (f->inside) return CURL_SOCKET_BAD;
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t on_bytes(char *bytes, size_t one, size_t n, void *user) {
  fetch *f = user;
  (void)one;
  f->too_large = n > SRV_MAX_BODY - f->size;
  if (f->too_large) return 0;
  if (f->size + n > f->room) {
    size_t room = 2 * (f->size + n);
    char *grown = realloc(f->bytes, room);
    if (!grown) return 0;
    f->bytes = grown;
    f->room = room;
  }
  memcpy(f->bytes + f->size, bytes, n);
  f->size += n;
  return n;
}

static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
  fetch *f = user;
  (void)a, (void)b, (void)c, (void)d;
  return f->over(f->user);
}

static bool prepare(CURL *curl, CURLU *url, fetch *f, struct curl_slist *headers) {
  return curl_easy_setopt(curl, CURLOPT_CURLU, url) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(1000 * SRV_FETCH_TIME)) ==
             CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, f) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_WRITEDATA, f) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_XFERINFODATA, f) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
}

static bool add_header(struct curl_slist **headers, const char *line) {
  struct curl_slist *longer = curl_slist_append(*headers, line);
  if (longer) *headers = longer;
  return longer != NULL;
}

static gm_status transfer(CURLU *url, fetch *f, const char *authorization, const char *post,
                          gm_error *err) {
  CURL *curl = curl_easy_init();
  struct curl_slist *headers = NULL;
  char line[1200];
  long status = 0;
  bool ok = curl != NULL;
  if (ok && authorization) {
    ok = snprintf(line, sizeof line, "Authorization: %s", authorization) < (int)sizeof line &&
         add_header(&headers, line);
  }
  if (ok && post)
    ok = add_header(&headers, "Content-Type: application/json") &&
         curl_easy_setopt(curl, CURLOPT_POSTFIELDS, post) == CURLE_OK;
  ok = ok && prepare(curl, url, f, headers);
  CURLcode code = ok ? curl_easy_perform(curl) : CURLE_OUT_OF_MEMORY;
  if (ok) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_slist_free_all(headers);
  curl_easy_cleanup(curl);
  if (f->too_large)
    return fail(err, GM_ERR_IO, "the picture at %.200s has more than %d bytes", f->host->name,
                SRV_MAX_BODY);
  if (f->inside)
    return fail(err, GM_ERR_ARGUMENT,
                "%.200s stands for an address of this machine or of a private network now, and "
                "did not when the server began",
                f->host->name);
  if (code == CURLE_ABORTED_BY_CALLBACK) return fail(err, GM_ERR_CANCELLED, "cancelled");
  if (code == CURLE_OUT_OF_MEMORY || (code == CURLE_WRITE_ERROR && !f->too_large))
    return fail(err, GM_ERR_MEMORY, "no memory for a picture that is fetched");
  if (code != CURLE_OK && status == 0)
    return fail(err, GM_ERR_IO, "cannot fetch the picture from %.200s: %s", f->host->name,
                curl_easy_strerror(code));
  if (status != 200)
    return fail(err, GM_ERR_IO, "%.200s answered %ld, wanted 200 and the picture%s",
                f->host->name, status, status / 100 == 3 ? "; redirects are not followed" : "");
  return code == CURLE_OK ? GM_OK
                          : fail(err, GM_ERR_IO, "cannot fetch the picture from %.200s: %s",
                                 f->host->name, curl_easy_strerror(code));
}

gm_status srv_fetch(const srv_hosts *hosts, const char *address, const char *authorization,
                    const char *post, bool (*over)(void *user), void *user, char **out,
                    size_t *size, gm_error *err) {
  *out = NULL;
  CURLU *url = curl_url();
  if (!url) return fail(err, GM_ERR_MEMORY, "no memory for the address of a picture");
  fetch f = {.over = over, .user = user};
  gm_status status = GM_OK;
  if (curl_url_set(url, CURLUPART_URL, address, 0) != CURLUE_OK)
    status =
        fail(err, GM_ERR_ARGUMENT, "found a picture's address that is none: %.200s", address);
  if (status == GM_OK && !(f.host = host_of(hosts, url, err))) status = err->status;
  if (status == GM_OK) status = transfer(url, &f, authorization, post, err);
  curl_url_cleanup(url);
  if (status == GM_OK && !f.bytes && !(f.bytes = calloc(1, 1)))
    status = fail(err, GM_ERR_MEMORY, "no memory for a picture that is fetched");
  if (status != GM_OK) {
    free(f.bytes);
    return status;
  }
  *out = f.bytes;
  *size = f.size;
  return GM_OK;
}
