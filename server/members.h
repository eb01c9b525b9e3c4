/* members.h - the members that bodies may have: one table, by which they are checked and which
 * /openapi.json shows. */
#ifndef SRV_MEMBERS_H
#define SRV_MEMBERS_H

#include "gromatic.h"

#include <jansson.h>

typedef enum srv_kind {
  SRV_PICTURE, /* a string, or a file of the form */
  SRV_TEXT,    /* of the choices, if there are some */
  SRV_NUMBER,
  SRV_WHOLE, /* a number without a fraction */
  SRV_FLAG,
  SRV_TEXTS,  /* a list of strings that are not blank, or one; it is never null */
  SRV_BOXES,  /* a list of four numbers each, or one box; it is never null */
  SRV_LIST,   /* of strings that are not empty */
  SRV_SCALES, /* [{"id": 0, "scale": 1}, ...]; lora.h says more */
  SRV_TABLE,  /* {"a class": ["a text", ...]} */
} srv_kind;

typedef struct srv_member {
  const char *name;
  srv_kind kind;
  double least, most;  /* of numbers; most may be INFINITY */
  const char *choices; /* "a,b,c" */
  const char *help;
} srv_member;

/* NULL: it is not in the table. */
const srv_member *srv_member_named(const char *name);
/* Whether the value is of the kind and in the range; else *why says what was wanted. Boxes and
 * tables are looked at on the surface only: who uses them says more. */
bool srv_member_check(const srv_member *member, const json_t *value, char *why, size_t size);
/* The JSON schema of its values; a new reference, NULL if memory is short. */
json_t *srv_member_schema(const srv_member *member);

#endif
