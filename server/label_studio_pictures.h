/* label_studio_pictures.h - the picture of a task, from wherever its address says. */
#ifndef SRV_LABEL_STUDIO_PICTURES_H
#define SRV_LABEL_STUDIO_PICTURES_H

#include "plan.h"

/* Whether it is in the request itself: a data URI, base64 or the id of a picture. */
bool srv_ls_is_here(const char *address);
/* The picture of an address into the plan, fetched if need be: from Label Studio itself (an
 * address as /data/upload/1/a.jpg) with its token, else without one. A personal access token in
 * *host is exchanged for one that opens pictures. On the slot's thread. False after an answer.
 */
bool srv_ls_open(srv_job *job, srv_ls_host *host, const char *address);

#endif
