/* html_entities.h - character references of the HTML standard. */
#ifndef GM_HTML_ENTITIES_H
#define GM_HTML_ENTITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The text of the named reference &name; (name[0..length), no semicolon), or NULL. *legacy:
 * whether it is valid without the semicolon too. */
const char *gm_html_entity(const char *name, size_t length, bool *legacy);

/* The character of the numeric reference &#number; - U+FFFD for NUL, surrogates and numbers
 * above U+10FFFF, Windows-1252's for 0x80..0x9F, nothing for other control characters and for
 * noncharacters (Python's html.unescape). */
#define GM_HTML_NOTHING UINT32_MAX
uint32_t gm_html_code_point(uint32_t number);

#endif
