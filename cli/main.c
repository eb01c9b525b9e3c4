/* main.c - the program: a table of commands. */
#include "gromatic.h"

#include <stdio.h>

int main(void) {
  puts(gm_version());
  return 0;
}
