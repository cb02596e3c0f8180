/* kit.h - shared by the tests of plugins/rcu: graphs over the fake host, with rcu as the strategy. */
#ifndef SLABGC_TESTS_PLUGINS_RCU_KIT_H
#define SLABGC_TESTS_PLUGINS_RCU_KIT_H

#include "plugins/rcu/rcu.h"
#include "tests/plugins/support/fake_host.h"
#include "tests/support/expect.h"

extern const struct sgc_strategy_plugin sgc_strategy_plugin;

static inline struct sgc_rcu *rcu(void)
{
    return fake.self;
}

/* Grace periods until the strategy asks for none; returns how many. */
static inline unsigned kit_settle(void)
{
    unsigned n = 0;
    while (fake.grace_wanted) {
        fake_grace_period();
        ck_assert_uint_lt(++n, 1000);
    }
    return n;
}

/* The batch is cut and closed: what was retired until now ends after the next grace period. */
static inline void kit_close_batch(void)
{
    ck_assert(!rcu()->batch);
    fake_grace_period();
    ck_assert(rcu()->batch);
}

#endif
