/* page.h - the page at "/": files that are built in. */
#ifndef SRV_PAGE_H
#define SRV_PAGE_H

#include <stddef.h>

/* A file of server/page/. Its bytes are static. */
typedef struct srv_page_file {
  const char *name; /* "index.html" */
  const unsigned char *bytes, *end;
} srv_page_file;

/* "/" is index.html, "/page/NAME" any file. NULL: there is none at this path. */
const srv_page_file *srv_page_find(const char *path);

const char *srv_page_media_type(const srv_page_file *file);
/* The ETag, in quotes: a hash of the bytes, so that a browser keeps what has not changed. */
void srv_page_tag(const srv_page_file *file, char tag[68]);
/* Content-Security-Policy: nothing but these files and this server's answers. */
extern const char srv_page_policy[];

#endif
