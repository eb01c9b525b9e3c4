/* cgroup.c - see cgroup.h. Versions 1 and 2 both have lines "number:controllers:path"; in
 * version 2, controllers is empty. */
#include "cgroup.h"

#include <stdio.h>
#include <string.h>

int gm_cgroup_numbers(const char *path, long long *a, long long *b) {
  FILE *file = fopen(path, "re");
  if (!file) return 0;
  char line[128];
  int n = fgets(line, sizeof line, file) ? sscanf(line, "%lld %lld", a, b) : 0;
  fclose(file);
  return n < 0 ? 0 : n;
}

void gm_cgroup_each(const char *membership, const char *controller,
                    void (*f)(void *user, const char *group), void *user) {
  FILE *file = fopen(membership, "re");
  if (!file) return;
  char line[512];
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) continue;
    *group++ = 0;
    if (controllers[1] && !strstr(controllers + 1, controller)) continue;
    for (;;) {
      size_t length = strlen(group);
      f(user, length > 1 ? group : "");
      char *slash = strrchr(group, '/');
      if (!slash || length <= 1) break;
      *slash = 0;
    }
  }
  fclose(file);
}
