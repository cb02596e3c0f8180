/* strategies.h - which strategies a test runs on, and where their plug-ins lie.
 * Depends on nothing of core. Call support_strategies_init first in main, before the first use of slabgc. */
#ifndef SLABGC_TESTS_SUPPORT_STRATEGIES_H
#define SLABGC_TESTS_SUPPORT_STRATEGIES_H

#include <stddef.h>

#define SUPPORT_MAX_STRATEGIES 16

/* Takes the user's configuration out of the environment (SLABGC, SLABGC_CONFIG), and unless SLABGC_PLUGIN_PATH is set,
 * sets it to the directories in which a Bazel test finds the plug-ins of its `data`. */
void support_strategies_init(void);

/* The strategies to test: $SLABGC_TEST_STRATEGIES, a list with commas; else all that this project has. names: room for
 * SUPPORT_MAX_STRATEGIES; returns how many. The strings live as long as the process. */
size_t support_strategies(const char *names[]);

#endif
