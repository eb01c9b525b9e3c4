/* errors.h - errors, in the shape of the protocol that was spoken. */
#ifndef SRV_ERRORS_H
#define SRV_ERRORS_H

#include "job.h"

/* work NULL: of none. A new reference. */
json_t *srv_error_json(const srv_work *work, int status, const char *code, const char *message);
/* Within a stream: its data, and the event's name or NULL. */
json_t *srv_error_event_json(srv_job *job, int status, const char *code, const char *message);
const char *srv_error_event_name(const srv_work *work);

#endif
