/* ask.h - one question to the process that a command's --pid names. Used by commands that ask once and print. One
 * thread. */
#ifndef SLABGC_TOOLS_GCCTL_ASK_H
#define SLABGC_TOOLS_GCCTL_ASK_H

#include "tools/gcctl/client.h"
#include "tools/gcctl/figures.h"

/* An object with the members whose options or arguments of the same name were given: names NULL at the end. "dry_run"
 * is call->dry_run. */
json_t *gcctl_parameters(const struct gcctl_call *call, const char *const *names);
/* Connects, asks, disconnects. parameters: stolen, may be NULL. The result, the caller's; or NULL: *status, and all is
 * said. */
json_t *gcctl_ask(const struct gcctl_call *call, const char *command, json_t *parameters, int *status);
/* The heap that the argument `heap` names, or the only one that the process has: into parameters. 0 or an exit status.
 */
int gcctl_only_heap(const struct gcctl_call *call, struct gcctl_client *client, json_t *parameters);
/* "would be " or "". */
const char *gcctl_would(const struct gcctl_call *call);

#endif
