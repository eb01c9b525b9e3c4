/* threads.h - a pool of worker threads with a fixed split: a job is a number of tasks, each of
 * which writes its own output, so the result does not depend on the number of threads. */
#ifndef GM_THREADS_H
#define GM_THREADS_H

#include "status.h"

#include <pthread.h>
#include <stddef.h>

/* Starts a thread that blocks all signals except those that its own faults raise, so that the
 * host's handlers run on the host's threads. Returns 0 or an errno value. */
int gm_thread_start(pthread_t *out, void *(*main)(void *), void *arg);

typedef struct gm_pool gm_pool;

/* task in 0..n_tasks-1; worker in 0..gm_pool_threads-1, only to choose per-thread scratch. */
typedef void (*gm_task_fn)(void *arg, size_t task, size_t worker);

/* The number of threads that this process can use: the smaller of its CPU affinity and its
 * cgroup's CPU quota (v1 and v2), at least 1. */
unsigned gm_usable_cpus(void);
/* The smallest CPU quota of the groups that `membership` (a file like /proc/self/cgroup) lists
 * and of their ancestors, below `root` (/sys/fs/cgroup); 0: no limit. For gm_usable_cpus and
 * its test. */
double gm_cgroup_cpus(const char *membership, const char *root);

/* threads: at most 1024; 0: gm_usable_cpus(). The calling thread is one of them. Workers sleep
 * when idle, and take no signals. Errors: GM_ERR_ARGUMENT, GM_ERR_MEMORY (a thread could not be
 * started). */
gm_status gm_pool_create(gm_pool **out, unsigned threads, gm_error *err);
/* No job may be running. NULL is allowed. */
void gm_pool_free(gm_pool *pool);
/* 1 if pool is NULL. */
unsigned gm_pool_threads(const gm_pool *pool);

/* Runs fn for every task and returns when all are done. Each thread first takes its own share
 * of neighbouring tasks, in order, then tasks from the end of other shares: the data is often
 * still in its caches from the job before. One job runs at a time; callers on several threads
 * take turns. If the pool is NULL or has one thread, or there is one task, each caller runs its
 * job at once, as worker 0. Must not be called from inside a task. Fewer than UINT32_MAX tasks.
 */
void gm_pool_run(gm_pool *pool, gm_task_fn fn, void *arg, size_t n_tasks);

#endif
