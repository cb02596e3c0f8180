/* document.h - man pages and bash completion, from the table of commands alone. One thread. */
#ifndef SLABGC_TOOLS_GCCTL_DOCUMENT_H
#define SLABGC_TOOLS_GCCTL_DOCUMENT_H

#include "tools/gcctl/command.h"
#include <stdio.h>

#define GCCTL_PAGE_BYTES 96

/* "gcctl-plugin-list" of "plugin list". */
void gcctl_document_page(const struct gcctl_command *command, char page[GCCTL_PAGE_BYTES]);
/* scdoc source of a page: "gcctl" or what gcctl_document_page says. False: there is no such page. */
bool gcctl_document_man(FILE *out, const char *page);
/* A completion script for bash. */
void gcctl_document_bash(FILE *out);

#endif
