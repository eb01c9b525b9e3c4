/* threads.c - see threads.h. A job's tasks are divided into one share per thread, and the job
 * is one call per thread to work through the shares. A ticket publishes the job: its number and
 * its next call in one word. Whoever takes a call advances the ticket. The caller waits until
 * all calls have ended, not for the workers, so a worker that the system does not schedule
 * misses jobs and delays nobody. Workers spin for some microseconds after a job, since the next
 * one usually follows at once, and then sleep. Workers block signals, which are for the host's
 * threads. */
#include "threads.h"

#include "cgroup.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  SPIN_NS = 80000, /* before sleeping; longer than the time between two jobs of a model */
  PAUSES = 32,     /* between two looks at the clock; one takes from 10 to 50 ns */
  APART = 128      /* bytes between what different threads write: two cache lines */
};

/* A thread's share of a job's tasks: the first that nobody has taken << 32 | the end. */
typedef struct share {
  _Alignas(APART) atomic_uint_least64_t left;
} share;

struct gm_pool {
  unsigned threads;
  pthread_t *workers;
  struct gm_worker *slots;
  share *shares;          /* one per thread */
  pthread_mutex_t caller; /* one job at a time */
  pthread_mutex_t lock;
  pthread_cond_t wake;
  atomic_bool stop;
  atomic_uint_least64_t ticket; /* job number << 32 | next call */
  _Atomic(gm_task_fn) fn;
  _Atomic(void *) arg;
  atomic_size_t done; /* calls of the job that have ended */
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

/* Measured by the clock, since pauses differ tenfold in length between processors. */
typedef struct spin {
  unsigned pauses;
  int64_t begin; /* ns, at the first look */
} spin;

/* Pauses; false after SPIN_NS. */
static bool spin_on(spin *s) {
  cpu_pause();
  if (++s->pauses % PAUSES != 0) return true;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  int64_t now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
  if (s->pauses == PAUSES) s->begin = now;
  return now - s->begin < SPIN_NS;
}

/* Job numbers are odd while the job's members are being written; then no call can be taken. */
static uint32_t job_of(uint64_t ticket) {
  return (uint32_t)(ticket >> 32);
}

/* Takes the first task of a share, or the last one; false: none is left. */
static bool take_task(share *from, bool first, size_t *task) {
  uint64_t left = atomic_load_explicit(&from->left, memory_order_acquire), next;
  do {
    uint32_t begin = (uint32_t)(left >> 32), end = (uint32_t)left;
    assert(begin <= end);
    if (begin == end) return false;
    *task = first ? begin : end - 1;
    next = first ? left + ((uint64_t)1 << 32) : left - 1;
  } while (!atomic_compare_exchange_weak_explicit(&from->left, &left, next,
                                                  memory_order_acq_rel, memory_order_acquire));
  return true;
}

/* One thread's part of a job: its own share from the first task on, then the others' from the
 * end, until no task is left. */
static void work_through(gm_pool *pool, gm_task_fn fn, void *arg, unsigned worker) {
  assert(worker < pool->threads);
  for (unsigned i = 0; i < pool->threads; i++) {
    share *from = &pool->shares[(worker + i) % pool->threads];
    for (size_t task; take_task(from, i == 0, &task);) fn(arg, task, worker);
  }
}

/* Takes all remaining calls, since they would find no task. Returns how many. */
static size_t end_calls(gm_pool *pool, uint32_t job) {
  uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
  while (job_of(ticket) == job && (uint32_t)ticket < pool->threads)
    if (atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket,
                                              (uint64_t)job << 32 | pool->threads,
                                              memory_order_acq_rel, memory_order_acquire))
      return pool->threads - (uint32_t)ticket;
  return 0;
}

/* Takes a call of the job, unless none is left or another job has begun. The members may
 * already be those of a later job; then the ticket has advanced and no call is taken. */
static void take_calls(gm_pool *pool, uint32_t job, unsigned worker) {
  gm_task_fn fn = atomic_load_explicit(&pool->fn, memory_order_acquire);
  void *arg = atomic_load_explicit(&pool->arg, memory_order_acquire);
  uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
  while (job_of(ticket) == job && (uint32_t)ticket < pool->threads) {
    if (!atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket + 1,
                                               memory_order_acq_rel, memory_order_acquire))
      continue;
    work_through(pool, fn, arg, worker);
    atomic_fetch_add_explicit(&pool->done, 1 + end_calls(pool, job), memory_order_release);
    return;
  }
}

/* True if the ticket's job is open and new. */
static bool is_new(uint64_t ticket, uint32_t seen) {
  return job_of(ticket) != seen && job_of(ticket) % 2 == 0;
}

static uint32_t wait_for_job(gm_pool *pool, uint32_t seen) {
  spin s = {0};
  uint64_t ticket;
  do {
    ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    if (is_new(ticket, seen) || atomic_load_explicit(&pool->stop, memory_order_relaxed))
      return job_of(ticket);
  } while (spin_on(&s));
  pthread_mutex_lock(&pool->lock);
  ticket = atomic_load(&pool->ticket);
  while (!is_new(ticket, seen) && !atomic_load(&pool->stop)) {
    pthread_cond_wait(&pool->wake, &pool->lock);
    ticket = atomic_load(&pool->ticket);
  }
  pthread_mutex_unlock(&pool->lock);
  return job_of(ticket);
}

static void *worker_main(void *arg) {
  struct gm_worker *self = arg;
  gm_pool *pool = self->pool;
  uint32_t seen = 0;
  for (;;) {
    seen = wait_for_job(pool, seen);
    if (atomic_load(&pool->stop)) return NULL;
    take_calls(pool, seen, self->index);
  }
}

/* Closes the last job, so that no call of it is taken with the members of this one, and opens
 * this one. Returns its number. */
static uint32_t publish(gm_pool *pool, gm_task_fn fn, void *arg, size_t n_tasks) {
  uint32_t job = job_of(atomic_load_explicit(&pool->ticket, memory_order_relaxed));
  assert(job % 2 == 0); /* one job at a time */
  atomic_store(&pool->ticket, (uint64_t)(job + 1) << 32);
  atomic_store_explicit(&pool->fn, fn, memory_order_release);
  atomic_store_explicit(&pool->arg, arg, memory_order_release);
  for (size_t i = 0, begin = 0, end; i < pool->threads; i++, begin = end) {
    end = n_tasks * (i + 1) / pool->threads;
    atomic_store_explicit(&pool->shares[i].left, (uint64_t)begin << 32 | end,
                          memory_order_release);
  }
  atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
  pthread_mutex_lock(&pool->lock);
  atomic_store(&pool->ticket, (uint64_t)(job + 2) << 32);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
  return job + 2;
}

static bool runs_alone(const gm_pool *pool, gm_task_fn fn, void *arg, size_t n_tasks) {
  if (pool && pool->threads > 1 && n_tasks > 1) return false;
  for (size_t i = 0; i < n_tasks; i++) fn(arg, i, 0);
  return true;
}

void gm_pool_run(gm_pool *pool, gm_task_fn fn, void *arg, size_t n_tasks) {
  if (runs_alone(pool, fn, arg, n_tasks)) return;
  assert(n_tasks < UINT32_MAX);
  pthread_mutex_lock(&pool->caller);
  take_calls(pool, publish(pool, fn, arg, n_tasks), 0);
  spin s = {0};
  bool spinning = true; /* false: yields to other threads. This thread does not sleep, since it
                           makes the next job. */
  while (atomic_load_explicit(&pool->done, memory_order_acquire) != pool->threads) {
    if (spinning)
      spinning = spin_on(&s);
    else
      sched_yield();
  }
  pthread_mutex_unlock(&pool->caller);
}

int gm_thread_start(pthread_t *out, void *(*main)(void *), void *arg) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
  sigset_t blocked, before;
  sigfillset(&blocked);
  for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) sigdelset(&blocked, faults[k]);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  int code = pthread_create(out, NULL, main, arg);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return code;
}

static int start_worker(gm_pool *pool, unsigned i) {
  pool->slots[i] = (struct gm_worker){pool, i};
  return gm_thread_start(&pool->workers[i], worker_main, &pool->slots[i]);
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
  pool->shares = aligned_alloc(APART, threads * sizeof *pool->shares);
  if (!pool->workers || !pool->slots || !pool->shares) {
    free(pool->workers);
    free(pool->slots);
    free(pool->shares);
    free(pool);
    return gm_fail_memory(err, "the thread pool", threads * sizeof *pool->workers);
  }
  pthread_mutex_init(&pool->caller, NULL);
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pool->threads = 1;
  for (unsigned i = 1; i < threads; i++) {
    int code = start_worker(pool, i);
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
  assert(job_of(atomic_load(&pool->ticket)) % 2 == 0); /* no job is being published */
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
  free(pool->shares);
  free(pool);
}

unsigned gm_pool_threads(const gm_pool *pool) {
  return pool ? pool->threads : 1;
}

/* CPUs granted by the cgroup directory, or 0 for "no limit". */
static double quota_of(const char *root, const char *group) {
  char path[600];
  long long quota = -1, period = -1, unused;
  snprintf(path, sizeof path, "%s%s/cpu.max", root, group);
  if (gm_cgroup_numbers(path, &quota, &period) == 2 && quota > 0 && period > 0)
    return (double)quota / (double)period;
  quota = period = -1;
  snprintf(path, sizeof path, "%s/cpu%s/cpu.cfs_quota_us", root, group);
  if (gm_cgroup_numbers(path, &quota, &unused) < 1 || quota <= 0) return 0;
  snprintf(path, sizeof path, "%s/cpu%s/cpu.cfs_period_us", root, group);
  if (gm_cgroup_numbers(path, &period, &unused) < 1 || period <= 0) return 0;
  return (double)quota / (double)period;
}

typedef struct quota_search {
  const char *root;
  double least; /* 0: none found */
} quota_search;

static void look_for_quota(void *user, const char *group) {
  quota_search *s = user;
  double cpus = quota_of(s->root, group);
  if (cpus > 0 && (s->least == 0 || cpus < s->least)) s->least = cpus;
}

double gm_cgroup_cpus(const char *membership, const char *root) {
  quota_search s = {.root = root};
  gm_cgroup_each(membership, "cpu", look_for_quota, &s);
  return s.least;
}

unsigned gm_usable_cpus(void) {
  unsigned cpus = 1;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = (unsigned)CPU_COUNT(&set);
  double quota = gm_cgroup_cpus("/proc/self/cgroup", "/sys/fs/cgroup");
  if (quota > 0 && quota < (double)cpus) cpus = (unsigned)quota;
  return cpus > 0 ? cpus : 1;
}
