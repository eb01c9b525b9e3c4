/* scope.c - see scope.h. */
#include "scope.h"

#include "terminal.h"

void cli_scope_tell(cli_scope scope) {
  static bool told;
  if (!scope.scope || told) return;
  told = true;
  cli_error("no model was given, and %s, the one inside the program, knows %s only; for "
            "photographs convert a released model and give it (README.md)",
            scope.name, scope.scope);
}

void cli_scope_tell_unlike(const char *picture, const gm_model_info *info) {
  cli_error("%s: this picture is unlike what %s knows (%s): do not rely on its result", picture,
            info->name, info->scope);
}

void cli_scope_tell_several(size_t unlike, size_t pictures, const gm_model_info *info) {
  cli_error("%zu of %zu pictures are unlike what %s knows (%s): do not rely on their results",
            unlike, pictures, info->name, info->scope);
}
