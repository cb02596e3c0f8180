/* effective.h - the values in effect of one side of a comparison: of config files and the environment, or of a live
 * process. For config show and diff. One thread. */
#ifndef SLABGC_TOOLS_GCCTL_EFFECTIVE_H
#define SLABGC_TOOLS_GCCTL_EFFECTIVE_H

#include "tools/gcctl/command.h"

/* Each returns an array of {"section","key","value","origin",...}, the caller's; or NULL: *status, and all is said. */

/* What a program would get that starts here: config files of the system, $SLABGC_CONFIG, $SLABGC. file: in the place of
 * both; NULL: as they are. all: also parameters that nothing sets, of every strategy that can be found. Reads config of
 * this process anew. */
json_t *gcctl_effective_config(const char *file, bool all, int *status);
/* A process's: what `get` answers. process: as --pid takes it; NULL: the call's. */
json_t *gcctl_effective_process(const struct gcctl_call *call, const char *process, int *status);
/* A file where there is one of that name, else a process. */
json_t *gcctl_effective_of(const struct gcctl_call *call, const char *word, int *status);

/* Where the sides differ: array of {"section","key","left":VALUE or null,"right":...}, VALUE {"value","origin"}. A
 * value of [heap] holds for [heap.NAME] where that says nothing; what neither says, and what is the default on one side
 * and not said on the other, is the same. */
json_t *gcctl_effective_diff(json_t *left, json_t *right);

#endif
