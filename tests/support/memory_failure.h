/* memory_failure.h - the calls whose allocations are made to fail, shared by the fast test
 * (some of them) and the slow one (every one). */
#ifndef GM_TEST_MEMORY_FAILURE_H
#define GM_TEST_MEMORY_FAILURE_H

#include "failing_alloc.h"

/* Scenes and questions have a test of their own, test_scene_memory.c. stride: only every
 * stride-th allocation fails, for slow calls. */
void memory_failure_pictures(void);
void memory_failure_checkpoints(void);
void memory_failure_open(void);
void memory_failure_convert(size_t stride);

#endif
