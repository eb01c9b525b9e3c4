/* test_base.c - arena, thread pool, checked arithmetic, random numbers. */
#include "support.h"

#include "arena.h"
#include "checked.h"
#include "rng.h"
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void arena_reuses_its_chunks(void **state) {
  (void)state;
  gm_arena arena = {0};
  gm_arena_mark start = gm_arena_save(&arena);
  char *a = gm_arena_alloc(&arena, 100);
  char *b = gm_arena_alloc(&arena, 3 << 20);
  assert_non_null(a);
  assert_non_null(b);
  assert_int_equal((uintptr_t)a % 64, 0);
  assert_int_equal((uintptr_t)b % 64, 0);
  a[99] = b[(3 << 20) - 1] = 1;
  gm_arena_restore(&arena, start);
  assert_ptr_equal(gm_arena_alloc(&arena, 100), a);
  assert_ptr_equal(gm_arena_alloc(&arena, 3 << 20), b);
  gm_arena_restore(&arena, start);
  assert_null(gm_arena_alloc(&arena, SIZE_MAX - 3));
  gm_arena_free(&arena);
}

static void count_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  ((unsigned char *)arg)[task]++;
}

static void pool_runs_every_task_once(void **state) {
  (void)state;
  for (unsigned threads = 1; threads <= 5; threads++) {
    gm_pool *pool;
    gm_error err;
    assert_ok(gm_pool_create(&pool, threads, &err), &err);
    for (size_t n = 0; n < 300; n += 7) {
      unsigned char *seen = calloc(n + 1, 1);
      gm_pool_run(pool, count_task, seen, n);
      for (size_t i = 0; i < n; i++) assert_int_equal(seen[i], 1);
      free(seen);
    }
    gm_pool_free(pool);
  }
}

enum { NEAR = 100 };

/* What each worker did, in order. */
typedef struct order {
  size_t n[3], task[3][NEAR];
} order;

static void note_task(void *arg, size_t task, size_t worker) {
  order *t = arg;
  t->task[worker][t->n[worker]++] = task;
}

static void threads_begin_with_their_own_share(void **state) {
  (void)state;
  gm_pool *pool;
  gm_error err;
  assert_ok(gm_pool_create(&pool, 3, &err), &err);
  for (size_t run = 0; run < 50; run++) {
    order t = {0};
    gm_pool_run(pool, note_task, &t, NEAR);
    assert_int_equal(t.n[0] + t.n[1] + t.n[2], NEAR);
    for (size_t w = 0; w < 3; w++)
      for (size_t i = 0; i < t.n[w]; i++) {
        size_t begin = NEAR * w / 3, task = t.task[w][i];
        if (task >= begin && task < NEAR * (w + 1) / 3) assert_int_equal(task, begin + i);
      }
  }
  gm_pool_free(pool);
}

/* The first task ends after all others, so other threads must help with its thread's share. */
static void waiting_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  atomic_int *done = arg;
  while (task == 0 && atomic_load(done) < NEAR - 1) sched_yield();
  atomic_fetch_add(done, 1);
}

static void held_up_thread_is_helped_with_its_share(void **state) {
  (void)state;
  gm_pool *pool;
  gm_error err;
  assert_ok(gm_pool_create(&pool, 2, &err), &err);
  for (size_t run = 0; run < 20; run++) {
    atomic_int done = 0;
    gm_pool_run(pool, waiting_task, &done, NEAR);
    assert_int_equal(atomic_load(&done), NEAR);
  }
  gm_pool_free(pool);
}

/* The signals that each thread blocks. A task ends when all have begun, so each runs on another
 * thread. */
typedef struct masks {
  atomic_int begun;
  sigset_t blocked[3];
} masks;

static void mask_task(void *arg, size_t task, size_t worker) {
  masks *m = arg;
  (void)task;
  pthread_sigmask(SIG_BLOCK, NULL, &m->blocked[worker]);
  atomic_fetch_add(&m->begun, 1);
  while (atomic_load(&m->begun) < 3) sched_yield();
}

static void workers_take_no_signals(void **state) {
  (void)state;
  static const int hosts[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGUSR1, SIGCHLD, SIGPIPE};
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  sigset_t own, before, after;
  gm_pool *pool;
  gm_error err;
  sigemptyset(&own);
  sigaddset(&own, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &own, &before);
  assert_ok(gm_pool_create(&pool, 3, &err), &err);
  pthread_sigmask(SIG_SETMASK, &before, &after);
  masks m = {0};
  gm_pool_run(pool, mask_task, &m, 3);
  for (int i = 1; i < 32; i++) /* the creator's are unchanged */
    assert_int_equal(sigismember(&after, i), i == SIGUSR2 || sigismember(&before, i));
  for (int w = 1; w < 3; w++) {
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
      assert_int_equal(sigismember(&m.blocked[w], hosts[i]), 1);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
      assert_int_equal(sigismember(&m.blocked[w], faults[i]), 0);
  }
  gm_pool_free(pool);
}

/* 20 times 10 ms without a job: the workers spin for 80 us each time, not the whole time, which
 * would be 800 ms. */
static void workers_sleep_when_idle(void **state) {
  (void)state;
  gm_pool *pool;
  gm_error err;
  struct timespec begin, end;
  unsigned char seen[8] = {0};
  assert_ok(gm_pool_create(&pool, 5, &err), &err);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
  for (int run = 0; run < 20; run++) {
    gm_pool_run(pool, count_task, seen, sizeof seen);
    usleep(10000);
  }
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  double used =
      (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
  if (used > 0.2) fail_msg("used %.3f s of processor time", used);
  gm_pool_free(pool);
}

static void arithmetic_refuses_to_wrap(void **state) {
  (void)state;
  size_t out;
  assert_false(gm_mul_size(SIZE_MAX / 2, 3, &out));
  assert_false(gm_add_size(SIZE_MAX, 1, &out));
  assert_false(gm_align_size(SIZE_MAX - 3, 32, &out));
  assert_true(gm_align_size(33, 32, &out));
  assert_int_equal(out, 64);
  assert_false(gm_extent_fits(UINT64_MAX, 2, 100));
  assert_false(gm_extent_fits(99, 2, 100));
  assert_true(gm_extent_fits(98, 2, 100));
}

/* First outputs of SplitMix64 for seed 0, as published with the algorithm (Vigna's reference).
 */
static void random_numbers_are_splitmix64(void **state) {
  (void)state;
  gm_rng rng = {0};
  assert_true(gm_rng_u64(&rng) == 0xE220A8397B1DCDAFu);
  assert_true(gm_rng_u64(&rng) == 0x6E789E6AA1B965F4u);
}

static void write_text(const char *folder, const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

/* A v2 group with a quota of 3 CPUs inside one of 1.5: the smaller one applies. A v1 group: 2.
 */
static void quotas_of_ancestors_count(void **state) {
  (void)state;
  char folder[] = "/tmp/gromatic-cgroup-XXXXXX", path[256], members[256];
  assert_non_null(mkdtemp(folder));
  snprintf(members, sizeof members, "%s/membership", folder);
  const char *folders[] = {"outer", "outer/inner", "cpu", "cpu/old"};
  for (size_t i = 0; i < 4; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, folders[i]);
    assert_int_equal(mkdir(path, 0700), 0);
  }
  write_text(folder, "outer/cpu.max", "150000 100000\n");
  write_text(folder, "outer/inner/cpu.max", "300000 100000\n");
  write_text(folder, "membership", "0::/outer/inner\n");
  assert_true(gm_cgroup_cpus(members, folder) == 1.5);
  write_text(folder, "outer/cpu.max", "max 100000\n");
  assert_true(gm_cgroup_cpus(members, folder) == 3);
  write_text(folder, "outer/inner/cpu.max", "max 100000\n");
  assert_true(gm_cgroup_cpus(members, folder) == 0);
  write_text(folder, "cpu/old/cpu.cfs_quota_us", "200000\n");
  write_text(folder, "cpu/old/cpu.cfs_period_us", "100000\n");
  write_text(folder, "membership", "4:memory:/else\n3:cpu,cpuacct:/old\n");
  assert_true(gm_cgroup_cpus(members, folder) == 2);
  const char *files[] = {"outer/inner/cpu.max", "outer/cpu.max", "cpu/old/cpu.cfs_quota_us",
                         "cpu/old/cpu.cfs_period_us", "membership"};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, files[i]);
    unlink(path);
  }
  for (size_t i = 4; i-- > 0;) {
    snprintf(path, sizeof path, "%s/%s", folder, folders[i]);
    rmdir(path);
  }
  rmdir(folder);
}

static void affinity_bounds_the_threads(void **state) {
  (void)state;
  cpu_set_t before, one;
  assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
  size_t cpu = 0;
  while (!CPU_ISSET(cpu, &before)) cpu++;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
  unsigned usable = gm_usable_cpus();
  sched_setaffinity(0, sizeof before, &before);
  assert_int_equal(usable, 1);
}

static void messages_are_clean(void **state) {
  (void)state;
  static const struct {
    const char *quoted, *shown;
  } cases[] = {
      {"plain, r\xc3\xa9sum\xc3\xa9 \xe4\xb8\x96 \xf0\x9f\x98\x80",
       "plain, r\xc3\xa9sum\xc3\xa9 \xe4\xb8\x96 \xf0\x9f\x98\x80"},
      {"\x1b[31mred\n\x7f", "?[31mred??"},
      {"\xc2\x9b"
       "31m",
       "?31m"}, /* CSI as one character */
      {"a\xe2\x80\xae"
       "b\xe2\x81\xa6"
       "c\xe2\x80\xa8",
       "a?b?c?"},                                    /* direction, line */
      {"\xff\x80\xc0\xaf\xe0\x80\x80", "???????"},   /* stray, overlong */
      {"\xed\xa0\x80 \xf4\x90\x80\x80", "??? ????"}, /* surrogate, past the last */
      {"cut \xe4\xb8", "cut ??"},
  };
  gm_error err;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(gm_fail(&err, GM_ERR_MODEL, "%s", cases[i].quoted), GM_ERR_MODEL);
    assert_string_equal(err.message, cases[i].shown);
  }
  /* A message that does not fit ends before the first character that does not fit. */
  char longest[2 * sizeof err.message];
  for (size_t i = 0; i + 2 < sizeof longest; i += 2) memcpy(longest + i, "\xc3\xa9", 3);
  gm_fail(&err, GM_ERR_IO, "%s", longest);
  assert_int_equal(strlen(err.message), sizeof err.message - 1);
  assert_string_equal(err.message + sizeof err.message - 4, "\xc3\xa9?");
  gm_fail_prefix(&err, GM_ERR_IO, "%s", "\t");
  assert_memory_equal(err.message, "?: \xc3\xa9", 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(arena_reuses_its_chunks),
      cmocka_unit_test(pool_runs_every_task_once),
      cmocka_unit_test(workers_take_no_signals),
      cmocka_unit_test(workers_sleep_when_idle),
      cmocka_unit_test(threads_begin_with_their_own_share),
      cmocka_unit_test(held_up_thread_is_helped_with_its_share),
      cmocka_unit_test(arithmetic_refuses_to_wrap),
      cmocka_unit_test(random_numbers_are_splitmix64),
      cmocka_unit_test(quotas_of_ancestors_count),
      cmocka_unit_test(affinity_bounds_the_threads),
      cmocka_unit_test(messages_are_clean),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
