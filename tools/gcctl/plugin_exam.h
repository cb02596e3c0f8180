/* plugin_exam.h - what a plug-in's file is, found out in a process of its own. One thread; blocks until that process
 * ends. */
#ifndef SLABGC_TOOLS_GCCTL_PLUGIN_EXAM_H
#define SLABGC_TOOLS_GCCTL_PLUGIN_EXAM_H

#include <jansson.h>

/* Loads the file at an absolute path and opens a heap on it, in a child. Returns a PLUGIN as control's `plugins` has
 * it: name, path, version, abi, license, description, capabilities, parameters, loaded, refused (a sentence, null when
 * it was taken), and crash (how the child ended, null when it did not). Members that nobody could find out are null.
 * path "": the built-in strategy. */
json_t *gcctl_plugin_examine(const char *path);

/* Strategy's name in a path: "/x/rcu.so" is "rcu". */
void gcctl_plugin_name(const char *path, char *out, size_t out_bytes);

#endif
