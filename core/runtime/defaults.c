/* defaults.c - the built-in text: what holds where no other source says anything. Read first, as a source of its own.
 * default_strategies: tried in this order, the first that can be found and meets the program's needs is taken. */
#include "core/runtime/config.h"

const char sgc_config_defaults[] = "[heap]\n"
                                   "default_strategies = generational, refcount, rcu, none\n"
                                   "memory_limit = none\n"
                                   "hard_limit = 125%\n"
                                   "stall_report = 100ms\n"
                                   "[cache.*]\n"
                                   "debug = none\n"
                                   "[control]\n"
                                   "socket = off\n"
                                   "wait = 0\n"
                                   "report = off\n";
