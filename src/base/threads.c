/* threads.c - see threads.h. A job is published under a mutex and a generation number; threads
 * take tasks from an atomic counter. Workers spin for some microseconds after a job, since the
 * next one usually follows at once, and then sleep. */
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPIN = 4000 }; /* pauses before sleeping: tens of microseconds */

struct gm_pool {
  unsigned threads;
  pthread_t *workers;
  struct gm_worker *slots;
  pthread_mutex_t caller; /* one job at a time */
  pthread_mutex_t lock;
  pthread_cond_t wake;
  atomic_uint generation;
  atomic_bool stop;
  gm_task_fn fn;
  void *arg;
  size_t n_tasks;
  atomic_size_t next;
  atomic_uint busy; /* workers that have not finished this generation */
};

struct gm_worker {
  gm_pool *pool;
  unsigned index;
};

static void cpu_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void take_tasks(gm_pool *pool, unsigned worker) {
  for (;;) {
    size_t task = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    if (task >= pool->n_tasks) return;
    pool->fn(pool->arg, task, worker);
  }
}

static unsigned wait_for_job(gm_pool *pool, unsigned seen) {
  for (int i = 0; i < SPIN; i++) {
    unsigned now = atomic_load_explicit(&pool->generation, memory_order_acquire);
    if (now != seen || atomic_load_explicit(&pool->stop, memory_order_relaxed)) return now;
    cpu_pause();
  }
  pthread_mutex_lock(&pool->lock);
  while (atomic_load(&pool->generation) == seen && !atomic_load(&pool->stop))
    pthread_cond_wait(&pool->wake, &pool->lock);
  unsigned now = atomic_load(&pool->generation);
  pthread_mutex_unlock(&pool->lock);
  return now;
}

static void *worker_main(void *arg) {
  struct gm_worker *self = arg;
  gm_pool *pool = self->pool;
  unsigned seen = 0;
  for (;;) {
    unsigned now = wait_for_job(pool, seen);
    if (atomic_load(&pool->stop)) return NULL;
    seen = now;
    take_tasks(pool, self->index);
    atomic_fetch_sub_explicit(&pool->busy, 1, memory_order_release);
  }
}

void gm_pool_run(gm_pool *pool, gm_task_fn fn, void *arg, size_t n_tasks) {
  if (!pool || pool->threads == 1 || n_tasks <= 1) {
    for (size_t i = 0; i < n_tasks; i++) fn(arg, i, 0);
    return;
  }
  pthread_mutex_lock(&pool->caller);
  pool->fn = fn;
  pool->arg = arg;
  pool->n_tasks = n_tasks;
  atomic_store(&pool->next, 0);
  atomic_store(&pool->busy, pool->threads - 1);
  pthread_mutex_lock(&pool->lock);
  atomic_fetch_add(&pool->generation, 1);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
  take_tasks(pool, 0);
  for (unsigned spins = 0; atomic_load_explicit(&pool->busy, memory_order_acquire) != 0;
       spins++) {
    if (spins < SPIN)
      cpu_pause();
    else
      sched_yield();
  }
  pthread_mutex_unlock(&pool->caller);
}

gm_status gm_pool_create(gm_pool **out, unsigned threads, gm_error *err) {
  *out = NULL;
  if (threads == 0) threads = gm_usable_cpus();
  if (threads > 1024)
    return gm_fail(err, GM_ERR_ARGUMENT, "found %u threads, wanted 1 to 1024", threads);
  gm_pool *pool = calloc(1, sizeof *pool);
  if (!pool) return gm_fail_memory(err, "the thread pool", sizeof *pool);
  pool->workers = calloc(threads, sizeof *pool->workers);
  pool->slots = calloc(threads, sizeof *pool->slots);
  if (!pool->workers || !pool->slots) {
    free(pool->workers);
    free(pool->slots);
    free(pool);
    return gm_fail_memory(err, "the thread pool", threads * sizeof *pool->workers);
  }
  pthread_mutex_init(&pool->caller, NULL);
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pool->threads = 1;
  for (unsigned i = 1; i < threads; i++) {
    pool->slots[i] = (struct gm_worker){pool, i};
    int code = pthread_create(&pool->workers[i], NULL, worker_main, &pool->slots[i]);
    if (code != 0) {
      gm_pool_free(pool);
      return gm_fail(err, GM_ERR_MEMORY, "cannot start thread %u of %u: %s; use fewer (-t)",
                     i + 1, threads, strerror(code));
    }
    pool->threads = i + 1;
  }
  *out = pool;
  return GM_OK;
}

void gm_pool_free(gm_pool *pool) {
  if (!pool) return;
  pthread_mutex_lock(&pool->lock);
  atomic_store(&pool->stop, true);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
  for (unsigned i = 1; i < pool->threads; i++) pthread_join(pool->workers[i], NULL);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->lock);
  pthread_mutex_destroy(&pool->caller);
  free(pool->workers);
  free(pool->slots);
  free(pool);
}

unsigned gm_pool_threads(const gm_pool *pool) {
  return pool ? pool->threads : 1;
}

/* Reads "quota period" (cgroup v2) or one number; returns how many were read. */
static int read_numbers(const char *path, long long *a, long long *b) {
  FILE *file = fopen(path, "re");
  if (!file) return 0;
  char line[128];
  int n = fgets(line, sizeof line, file) ? sscanf(line, "%lld %lld", a, b) : 0;
  fclose(file);
  return n < 0 ? 0 : n;
}

/* CPUs granted by the cgroup directory, or 0 for "no limit". */
static double quota_of(const char *root, const char *group) {
  char path[600];
  long long quota = -1, period = -1, unused;
  snprintf(path, sizeof path, "%s%s/cpu.max", root, group);
  if (read_numbers(path, &quota, &period) == 2 && quota > 0 && period > 0)
    return (double)quota / (double)period;
  quota = period = -1;
  snprintf(path, sizeof path, "%s/cpu%s/cpu.cfs_quota_us", root, group);
  if (read_numbers(path, &quota, &unused) < 1 || quota <= 0) return 0;
  snprintf(path, sizeof path, "%s/cpu%s/cpu.cfs_period_us", root, group);
  if (read_numbers(path, &period, &unused) < 1 || period <= 0) return 0;
  return (double)quota / (double)period;
}

double gm_cgroup_cpus(const char *membership, const char *root) {
  double least = 0;
  FILE *file = fopen(membership, "re");
  if (!file) return 0;
  char line[512];
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) continue;
    *group++ = 0;
    if (controllers[1] && !strstr(controllers + 1, "cpu")) continue;
    for (;;) {
      size_t length = strlen(group);
      double cpus = quota_of(root, length > 1 ? group : "");
      if (cpus > 0 && (least == 0 || cpus < least)) least = cpus;
      char *slash = strrchr(group, '/');
      if (!slash || length <= 1) break;
      *slash = 0;
    }
  }
  fclose(file);
  return least;
}

unsigned gm_usable_cpus(void) {
  unsigned cpus = 1;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = (unsigned)CPU_COUNT(&set);
  double quota = gm_cgroup_cpus("/proc/self/cgroup", "/sys/fs/cgroup");
  if (quota > 0 && quota < (double)cpus) cpus = (unsigned)quota;
  return cpus > 0 ? cpus : 1;
}
