/* fake_state.h - what the two halves of the fake share: its arrays. */
#ifndef SLABGC_TESTS_PLUGINS_SUPPORT_FAKE_STATE_H
#define SLABGC_TESTS_PLUGINS_SUPPORT_FAKE_STATE_H

#include "tests/plugins/support/fake_host.h"

#define FAKE_SLOT_BYTES 64
#define FAKE_GRANULES (FAKE_OBJECTS * (FAKE_SLOT_BYTES / SGC_GRANULE_BYTES))
#define FAKE_MAX_WEAK 64
#define FAKE_MAX_EPHEMERONS 64
#define FAKE_MAX_DEFERRED 4096

/* As ck_assert_msg, but says nothing to libcheck while all is well: these run by the million. */
#define FAKE_CHECK(condition_, ...)                                                                                    \
    do {                                                                                                               \
        if (!(condition_))                                                                                             \
            ck_abort_msg(__VA_ARGS__);                                                                                 \
    } while (0)

struct fake_ephemeron {
    void *key, *value;
};

/* Slots and their metadata begin as in core: strategies may look at the state bytes of whole pages, in words. */
struct fake_state {
    _Alignas(4096) unsigned char slots[FAKE_OBJECTS][FAKE_SLOT_BYTES];
    _Alignas(4096) uint8_t counts[FAKE_GRANULES];
    _Alignas(4096) uint8_t states[FAKE_GRANULES];
    uint8_t private_bytes[2][FAKE_GRANULES];
    uint32_t excess[FAKE_GRANULES];
    const struct sgc_type *types[FAKE_OBJECTS]; /* NULL: free */
    uint32_t free_ring[FAKE_OBJECTS];           /* reclaimed slots, oldest first */
    size_t n_fresh, free_head, n_free;
    void *weaks[FAKE_MAX_WEAK];
    unsigned n_weaks;
    struct fake_ephemeron *ephemerons[FAKE_MAX_EPHEMERONS]; /* NULL: broken or dead */
    unsigned n_ephemerons;
    void *deferred[FAKE_MAX_DEFERRED];
    size_t n_deferred;
    void *cells[FAKE_THREADS];
    bool locked;
};
extern struct fake_state fake_state_;
extern const struct sgc_type fake_ephemeron_type;

/* Fail the test unless the address is an object's, or a live object's. */
size_t fake_slot_of(const void *object);
void fake_check_object(const void *object);
uint8_t *fake_count_byte(const void *object);
uint32_t *fake_excess_of(const void *object);
uint64_t fake_count_value(const void *object);
void fake_decrement_later(void *object);
/* The straight end of core/heap/end.h, where it may be; checks what the strategy promises of such objects. */
bool fake_end_straight(void *object);

#endif
