/* watch.h - what a call reports while it runs: progress for its caller, and the seconds
 * that each stage took, added up over the calls. */
#ifndef GM_WATCH_H
#define GM_WATCH_H

#include "gromatic.h"

enum { GM_WATCH_STAGES = 8 };

/* Zero-initialised it has seen nothing. One thread at a time. */
typedef struct gm_watch {
  const gm_callbacks *callbacks; /* of the running call; may be NULL */
  gm_timing timings[GM_WATCH_STAGES];
  size_t n;
  size_t running; /* index + 1 of the running stage; 0: none */
  double since;
} gm_watch;

/* The running stage is over and `stage` (a literal) begins. At most GM_WATCH_STAGES names. */
void gm_watch_begin(gm_watch *watch, const char *stage);
/* The running stage is over: it is told to be done, unless the call failed. */
void gm_watch_end(gm_watch *watch, bool done);
/* Timing i; false where there is none. From any thread. struct_size is not set. */
bool gm_watch_timing(const gm_watch *watch, size_t i, gm_timing *out);
/* Counts seconds of a stage that ran by itself, beside the running one. */
void gm_watch_add(gm_watch *watch, const char *stage, double seconds);
/* Share of the running stage that is done; watch is a gm_watch, so that it can be handed on as
 * a progress callback. */
void gm_watch_progress(void *watch, double done);

#endif
