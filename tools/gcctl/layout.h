/* layout.h - where things lie, installed (PREFIX/bin/gcctl) or in a build tree (runfiles, bazel-bin). One thread. */
#ifndef SLABGC_TOOLS_GCCTL_LAYOUT_H
#define SLABGC_TOOLS_GCCTL_LAYOUT_H

#include <limits.h>
#include <stdbool.h>

/* A program that gcctl starts: "slabgc-replay", "slabgc-conformance", "slabgc-wordgraph". Order: $SLABGC_LIBEXEC/NAME, PREFIX/lib/slabgc/NAME, the build tree
 * (tools/replay/slabgc-replay, tests/conformance/conformance, tools/wordgraph/wordgraph). False: not there (a message was printed). */
bool gcctl_layout_program(const char *name, char path[PATH_MAX]);
/* A data file: "plugin-template/NAME", "slabgc.conf". PREFIX/share/slabgc/NAME or the build tree's. */
bool gcctl_layout_data(const char *name, char path[PATH_MAX]);
/* Puts the build tree's or installed plug-in directories into $SLABGC_PLUGIN_PATH (behind what is there), for core in this process and for children. */
void gcctl_layout_plugins(void);

#endif
