/* memory_limit.c - see memory_limit.h. */
#include "memory_limit.h"

#include "cgroup.h"

#include <stdio.h>
#include <unistd.h>

typedef struct search {
  const char *root;
  uint64_t least; /* 0: none found */
} search;

static void look(search *s, const char *format, const char *group) {
  char path[600];
  long long bytes = -1, unused;
  snprintf(path, sizeof path, format, s->root, group);
  if (gm_cgroup_numbers(path, &bytes, &unused) < 1 || bytes <= 0) return;
  if (s->least == 0 || (uint64_t)bytes < s->least) s->least = (uint64_t)bytes;
}

static void look_at(void *user, const char *group) {
  look(user, "%s%s/memory.max", group);
  look(user, "%s/memory%s/memory.limit_in_bytes", group);
}

uint64_t gm_cgroup_memory(const char *membership, const char *root) {
  search s = {.root = root};
  gm_cgroup_each(membership, "memory", look_at, &s);
  return s.least;
}

uint64_t gm_usable_memory(void) {
  long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  uint64_t machine = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
  uint64_t group = gm_cgroup_memory("/proc/self/cgroup", "/sys/fs/cgroup");
  if (machine == 0) return group;
  return group > 0 && group < machine ? group : machine;
}
