/* fetch.h - pictures from other servers, by libcurl. Not on the thread that speaks HTTP. */
#ifndef SRV_FETCH_H
#define SRV_FETCH_H

#include "hosts.h"

/* Fetches a URL, http or https, from one of the hosts: no redirects, no proxy, no password in
 * the URL, at most SRV_MAX_BODY bytes and SRV_FETCH_TIME. authorization: the header's value, or
 * NULL. post: JSON to be posted, or NULL. over(user): whether to give up. *out for free().
 * GM_ERR_ARGUMENT: the URL or its host is refused; GM_ERR_IO: it could not be had;
 * GM_ERR_CANCELLED. May be called from any thread after srv_fetch_begin. */
gm_status srv_fetch(const srv_hosts *hosts, const char *url, const char *authorization,
                    const char *post, bool (*over)(void *user), void *user, char **out,
                    size_t *size, gm_error *err);
/* Once, before threads fetch. */
bool srv_fetch_begin(void);
void srv_fetch_end(void);

#endif
