/* label_studio_hosts.h - the Label Studio that a project's pictures are fetched from, and the
 * token that it wants: those of the environment, else what /ls/setup said. */
#ifndef SRV_LABEL_STUDIO_HOSTS_H
#define SRV_LABEL_STUDIO_HOSTS_H

#include "keys.h"

enum { SRV_LS_PROJECTS = 64 }; /* that are remembered; the one set up longest ago goes first */

typedef struct srv_ls_host {
  char url[256];    /* "http://localhost:8080", without a slash at the end; "": not known */
  char token[1024]; /* "": none */
  bool exchanged;   /* the token is what a personal access token was exchanged for */
} srv_ls_host;

typedef struct srv_ls_hosts {
  struct {
    char client[SRV_ID], project[64];
    srv_ls_host host;
  } known[SRV_LS_PROJECTS];
  size_t next; /* place of the next new one */
} srv_ls_hosts;

typedef struct srv srv;

/* Keeps what /ls/setup said; a project belongs to the client that set it up. url, token: NULL
 * where they were not said. GM_ERR_ARGUMENT where one cannot be used. */
gm_status srv_ls_host_keep(srv *server, const char *client, const char *project,
                           const char *url, const char *token, gm_error *err);
/* The host of a client's project. LABEL_STUDIO_URL comes first; LABEL_STUDIO_API_KEY is for
 * this address only. GM_ERR_ARGUMENT where these cannot be used. */
gm_status srv_ls_host_find(srv *server, const char *client, const char *project,
                           srv_ls_host *out, gm_error *err);
/* Whether a token can stand in a header, and in an srv_ls_host. */
bool srv_ls_token_fits(const char *token);
/* Whether an address is at the host: the same scheme, name and port. */
bool srv_ls_host_has(const srv_ls_host *host, const char *address);

#endif
