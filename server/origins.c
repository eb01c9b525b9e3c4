/* origins.c - see origins.h. */
#include "origins.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* Cuts "name:port" or "[v6]:port" to the name. False if it is neither. */
static bool name_of(const char *header, char *name, size_t size) {
  bool v6 = header[0] == '[';
  const char *begin = header + v6;
  size_t n = strcspn(begin, v6 ? "]" : ":");
  const char *rest = begin + n;
  if (v6 && *rest++ != ']') return false;
  if (n == 0 || n >= size) return false;
  if (*rest == ':') rest += 1 + strspn(rest + 1, "0123456789");
  memcpy(name, begin, n);
  name[n] = 0;
  return *rest == 0;
}

static bool is_loopback(const char *name) {
  struct in_addr v4;
  struct in6_addr v6;
  if (strcasecmp(name, "localhost") == 0) return true;
  if (inet_pton(AF_INET, name, &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  return inet_pton(AF_INET6, name, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool srv_host_is_local(const char *header, const char *host) {
  char name[256];
  if (!header || !name_of(header, name, sizeof name)) return false;
  return is_loopback(name) || (host && strcasecmp(name, host) == 0);
}

srv_origin srv_check_origin(const char *origin, const char *host, const char *const *allowed,
                            size_t n) {
  if (!origin) return SRV_ORIGIN_NONE;
  for (size_t i = 0; i < n; i++)
    if (strcmp(allowed[i], "*") == 0 || strcasecmp(allowed[i], origin) == 0)
      return SRV_ORIGIN_ALLOWED;
  const char *site = strstr(origin, "://");
  return site && host && strcasecmp(site + 3, host) == 0 ? SRV_ORIGIN_SAME : SRV_ORIGIN_REFUSED;
}
