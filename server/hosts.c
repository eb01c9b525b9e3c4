/* hosts.c - see hosts.h. */
#include "hosts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- addresses ---- */

typedef struct range {
  uint32_t first;
  unsigned bits;
} range;

/* What IANA keeps for special uses. */
static const range special[] = {
    {0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},  {0xA9FE0000, 16},
    {0xAC100000, 12}, {0xC0000000, 24}, {0xC0000200, 24}, {0xC0586300, 24}, {0xC0A80000, 16},
    {0xC6120000, 15}, {0xC6336400, 24}, {0xCB007100, 24}, {0xE0000000, 3}};

static bool is_public_v4(uint32_t address) {
  for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
    if ((address ^ special[i].first) >> (32 - special[i].bits) == 0) return false;
  return true;
}

static uint32_t v4_at(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
         bytes[3];
}

/* Only 2000::/3 is in use; some of it carries an address of version 4, or is for examples. */
static bool is_public_v6(const uint8_t a[16]) {
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
  static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
  if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
    return is_public_v4(v4_at(a + 12));
  if (a[0] == 0x20 && a[1] == 0x02) return is_public_v4(v4_at(a + 2)); /* 6to4 */
  bool teredo_or_example = a[0] == 0x20 && a[1] == 0x01 &&
                           ((a[2] == 0 && a[3] == 0) || (a[2] == 0x0d && a[3] == 0xb8));
  return (a[0] & 0xe0) == 0x20 && !teredo_or_example;
}

bool srv_address_is_public(const struct sockaddr *address) {
  if (address->sa_family == AF_INET)
    return is_public_v4(
        ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
  if (address->sa_family == AF_INET6)
    return is_public_v6(
        ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
  return false;
}

static bool is_inside(const char *name) {
  struct addrinfo want = {.ai_socktype = SOCK_STREAM}, *found = NULL;
  bool inside = false;
  if (getaddrinfo(name, NULL, &want, &found) != 0) return false;
  for (struct addrinfo *at = found; at; at = at->ai_next)
    inside = inside || !srv_address_is_public(at->ai_addr);
  freeaddrinfo(found);
  return inside;
}

/* ---- the list ---- */

static bool is_name(const char *name) {
  if (!*name) return false;
  for (const char *at = name; *at; at++)
    if (!isalnum((unsigned char)*at) && !strchr("-._:", *at)) return false;
  return true;
}

/* text is "HOST", "HOST:PORT", "[V6]" or "[V6]:PORT", and is changed. */
static bool read_host(srv_host *out, char *text) {
  char *port = NULL;
  if (*text == '[') {
    char *end = strchr(text, ']');
    if (!end || (end[1] && end[1] != ':')) return false;
    port = end[1] ? end + 2 : NULL;
    *end = 0;
    text++;
  } else if ((port = strchr(text, ':')) != NULL) {
    *port++ = 0;
  }
  *out = (srv_host){0};
  if (port) {
    char *end;
    unsigned long number = strtoul(port, &end, 10);
    if (!isdigit((unsigned char)*port) || *end || number < 1 || number > 65535) return false;
    out->port = (unsigned)number;
  }
  if (!is_name(text) || strlen(text) >= sizeof out->name) return false;
  for (size_t i = 0; text[i]; i++) out->name[i] = (char)tolower((unsigned char)text[i]);
  return true;
}

gm_status srv_hosts_read(srv_hosts *out, const char *list, gm_error *err) {
  *out = (srv_hosts){0};
  char *copy = list ? strdup(list) : NULL, *rest = copy, *text;
  bool ok = !list || copy;
  while (ok && (text = strsep(&rest, ","))) {
    ok = out->n < SRV_MAX_HOSTS && read_host(&out->all[out->n], text);
    if (ok) out->all[out->n].inside = is_inside(out->all[out->n].name);
    out->n += ok;
  }
  free(copy);
  if (ok) return GM_OK;
  snprintf(err->message, sizeof err->message,
           "--allow-url-hosts: found '%.200s', wanted at most %d names HOST or HOST:PORT with "
           "commas between them",
           list, SRV_MAX_HOSTS);
  return err->status = GM_ERR_ARGUMENT;
}

const srv_host *srv_hosts_find(const srv_hosts *hosts, const char *name, unsigned port,
                               bool usual) {
  for (size_t i = 0; i < hosts->n; i++) {
    const srv_host *host = &hosts->all[i];
    if (strcasecmp(host->name, name) == 0 && (host->port ? host->port == port : usual))
      return host;
  }
  return NULL;
}
