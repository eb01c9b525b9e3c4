/* hosts.h - the hosts that pictures may be fetched from: --allow-url-hosts. */
#ifndef SRV_HOSTS_H
#define SRV_HOSTS_H

#include "gromatic.h"

#include <sys/socket.h>

enum { SRV_MAX_HOSTS = 64 };

typedef struct srv_host {
  char name[256]; /* in small letters, without brackets */
  unsigned port;  /* 0: that of the scheme, 80 or 443 */
  bool inside;    /* it may be an address of this machine or a private network: it was one when
                     the server began, so a name that becomes one later is refused */
} srv_host;

typedef struct srv_hosts {
  srv_host all[SRV_MAX_HOSTS];
  size_t n;
} srv_hosts;

/* Reads "HOST[:PORT],..." (NULL: none) and asks what the names stand for. GM_ERR_ARGUMENT
 * where it is no such list. */
gm_status srv_hosts_read(srv_hosts *out, const char *list, gm_error *err);
/* The entry for a host of a URL, or NULL. usual: the port is that of the scheme. */
const srv_host *srv_hosts_find(const srv_hosts *hosts, const char *name, unsigned port,
                               bool usual);
/* Whether an address is of the public internet: not of this machine, a private network, a link,
 * or a group. */
bool srv_address_is_public(const struct sockaddr *address);

#endif
