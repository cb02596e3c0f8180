/* record_event.c - events: tickets, chunks of threads, one function for each kind of event.
 * Called by the slow paths of this layer (record.h), and by record_found.c.
 * A thread writes its chunk inside its calls and sections, or at its own stop; so whoever finds it at rest and keeps it
 *   there (a stop; sgc_record_look) may take the chunk away.
 * Tickets: one counter. Alone (sgc_solo) a thread counts without atomics, as solo changes at stops only.
 * Locks: stripes by field (rank RECORD_FIELD) around a store and its ticket, taken when room for the event is there;
 *   rank RECORD for the list of streams and to take and send buffers. */
#include "core/heap/record_stream.h"
#include "core/heap/section.h"
#include "core/heap/weak_table.h"
#include "core/os/clock.h"
#include "core/os/meta.h"
#include <string.h>

#define RECORD_STRIPES 256
#define RECORD_TIME_EVENTS 128 /* events from one time to the next; a power of two */

struct sgc_list sgc_record_threads = {&sgc_record_threads, &sgc_record_threads};
static struct sgc_lock stripes[RECORD_STRIPES] = {[0 ... RECORD_STRIPES - 1] =
                                                      SGC_LOCK_INIT(SGC_RANK_RECORD_FIELD, "recorded fields")};
static uint64_t n_tickets __attribute__((aligned(64))); /* atomic unless solo */
static uint64_t n_handles, first_handle;                /* atomic; the number before this recording's first */
static uint32_t n_indices;                              /* lock RECORD */
static uint32_t time_mask;                              /* each event of a sample has its time */

uint64_t sgc_record_n_tickets(void)
{
    return __atomic_load_n(&n_tickets, __ATOMIC_RELAXED);
}

void sgc_record_reset_tickets(void)
{
    n_tickets = n_indices = 0;
    first_handle = n_handles;
    time_mask = sgc_record_sample > 1 ? 0 : RECORD_TIME_EVENTS - 1;
}

uint64_t sgc_record_take_handle(void)
{
    return __atomic_add_fetch(&n_handles, 1, __ATOMIC_RELAXED);
}

uint8_t *sgc_record_put_handle(struct sgc_record_thread *stream, uint8_t *at, const struct sgc_weak *weak)
{
    const uint64_t number = weak->number - first_handle, last = stream->last_handle;
    stream->last_handle = number;
    return sgc_record_put(at, sgc_record_zigzag(number - last));
}

static inline uint64_t ticket_take(void)
{
    if (!sgc_solo || !sgc_context_.thread) /* thread 0 may be written by a thread that is not attached */
        return __atomic_fetch_add(&n_tickets, 1, __ATOMIC_RELAXED);
    const uint64_t ticket = n_tickets;
    __atomic_store_n(&n_tickets, ticket + 1, __ATOMIC_RELAXED);
    return ticket;
}

/* ---- chunks */

static struct sgc_recording_chunk *chunk_head(const struct sgc_record_thread *thread)
{
    return (struct sgc_recording_chunk *)thread->buffer->data;
}

/* The head is written; NULL: there is no chunk. */
static struct sgc_record_buffer *chunk_take(struct sgc_record_thread *thread)
{
    struct sgc_record_buffer *buffer = thread->buffer;
    if (!buffer)
        return NULL;
    struct sgc_recording_chunk *chunk = chunk_head(thread);
    buffer->n_bytes = thread->n_events ? (uint32_t)(thread->at - buffer->data) : 0;
    chunk->message = (struct sgc_recording_message){.bytes = buffer->n_bytes, .kind = SGC_RECORDING_CHUNK};
    chunk->thread = thread->index;
    chunk->n_events = thread->n_events;
    chunk->time_ns = thread->began_ns;
    thread->buffer = NULL;
    thread->at = thread->limit = NULL;
    thread->n_events = 0;
    return buffer;
}

void sgc_record_flush(struct sgc_record_thread *thread)
{
    struct sgc_record_buffer *buffer = chunk_take(thread);
    if (buffer)
        sgc_record_buffer_send(buffer);
}

void sgc_record_flush_locked(struct sgc_record_thread *thread)
{
    struct sgc_record_buffer *buffer = chunk_take(thread);
    if (buffer)
        sgc_record_buffer_send_locked(buffer);
}

SGC_NOINLINE bool sgc_record_room_slow(struct sgc_record_thread *thread)
{
    __atomic_store_n(&thread->flush, 0, __ATOMIC_RELAXED);
    sgc_record_flush(thread);
    struct sgc_record_buffer *buffer = sgc_record_buffer_take();
    if (!buffer)
        return false;
    thread->buffer = buffer;
    thread->at = buffer->data + sizeof(struct sgc_recording_chunk);
    thread->limit = buffer->data + SGC_RECORDING_MESSAGE_BYTES - SGC_RECORD_EVENT_BYTES;
    thread->n_events = 0;
    thread->last_place = thread->last_handle = 0;
    return true;
}

/* An event that does not follow the last one, is the first of its chunk, or due for the time. */
static SGC_NOINLINE uint8_t *op_apart(struct sgc_record_thread *thread, uint64_t ticket)
{
    uint8_t *at = thread->at;
    if (thread->n_events == 0) {
        chunk_head(thread)->first_ticket = ticket;
        thread->began_ns = sgc_os_now_ns();
        return at;
    }
    if (ticket != thread->next_ticket) {
        *at++ = SGC_RECORD_GAP;
        at = sgc_record_put(at, ticket - thread->next_ticket);
    }
    if ((thread->n_events & time_mask) == 0) {
        *at++ = SGC_RECORD_TIME;
        at = sgc_record_put(at, sgc_os_now_ns() - thread->began_ns);
    }
    return at;
}

static inline uint8_t *record_op(struct sgc_record_thread *thread, enum sgc_record_op op)
{
    const uint64_t ticket = ticket_take();
    uint8_t *at = thread->at;
    if (sgc_unlikely(ticket != thread->next_ticket || (thread->n_events & time_mask) == 0))
        at = op_apart(thread, ticket);
    thread->next_ticket = ticket + 1;
    thread->n_events++;
    *at++ = (uint8_t)op;
    return at;
}

uint8_t *sgc_record_op(struct sgc_record_thread *thread, enum sgc_record_op op)
{
    return record_op(thread, op);
}

/* ---- streams */

static SGC_NOINLINE struct sgc_record_thread *stream_make(struct sgc_thread *thread)
{
    struct sgc_record_thread *stream = sgc_meta_alloc(sizeof(*stream));
    if (!stream) {
        sgc_record_queue_fail("no memory for a thread's stream");
        return NULL;
    }
    stream->context = thread->context;
    stream->tid = thread->tid;
    memcpy(stream->name, thread->name, sizeof(stream->name));
    sgc_lock_acquire(&sgc_record_queue_lock);
    stream->index = ++n_indices;
    sgc_list_push_back(&sgc_record_threads, &stream->link);
    sgc_lock_release(&sgc_record_queue_lock);
    sgc_record_describe_thread(stream, false);
    thread->record = stream;
    return stream;
}

static inline struct sgc_record_thread *record_mine(void)
{
    struct sgc_thread *thread = sgc_context_.thread;
    struct sgc_record_thread *stream = thread->record;
    if (sgc_unlikely(!stream))
        stream = stream_make(thread);
    return stream && sgc_record_room(stream) ? stream : NULL;
}

void sgc_record_thread_ends(struct sgc_thread *thread)
{
    struct sgc_record_thread *stream = thread->record;
    if (!stream)
        return;
    if (thread->context->rest_pending & SGC_REST_RECORDED) { /* the section that it is in is its last, and ends */
        thread->context->rest_pending &= (uint8_t)~SGC_REST_RECORDED;
        if (sgc_record_room(stream))
            stream->at = record_op(stream, SGC_RECORD_LEAVE);
    }
    sgc_record_flush(stream);
    sgc_record_describe_thread(stream, true);
    sgc_lock_acquire(&sgc_record_queue_lock);
    sgc_list_remove(&stream->link);
    sgc_lock_release(&sgc_record_queue_lock);
    thread->record = NULL;
    sgc_meta_free(stream, sizeof(*stream));
}

/* ---- which */

static inline bool object_concerns(const void *object)
{
    const struct sgc_class *class_ = sgc_slab_head(sgc_slab_of(object))->class_;
    return class_ && class_->cache->record_index != 0; /* NULL: misuse, which the caller is about to find */
}

/* Places whose objects are in the sample: a hash of the address, so that an object's end needs no memory of its begin.
 */
inline bool sgc_record_samples(const void *object)
{
    return sgc_likely(sgc_record_sample <= 1) ||
           sgc_hash64(((uintptr_t)object >> SGC_GRANULE_SHIFT) + sgc_record_sample) % sgc_record_sample == 0;
}

/* ---- the plain case: a thread alone, whose stream is there and has room, and whose event follows the last one */

/* Where the op goes; NULL: it is not the plain case, and nothing has been done. Without a call, so that who goes the
 * general way by a call at its end needs no frame. */
static inline uint8_t *plain_op(struct sgc_record_thread *stream, enum sgc_record_op op)
{
    const uint64_t ticket = __atomic_load_n(&n_tickets, __ATOMIC_RELAXED); /* others count, too, unless solo */
    if (sgc_unlikely(!sgc_solo || !stream || stream->at >= stream->limit ||
                     __atomic_load_n(&stream->flush, __ATOMIC_RELAXED) || ticket != stream->next_ticket ||
                     !(stream->n_events & time_mask)))
        return NULL;
    __atomic_store_n(&n_tickets, ticket + 1, __ATOMIC_RELAXED);
    stream->next_ticket = ticket + 1;
    stream->n_events++;
    uint8_t *at = stream->at;
    *at = (uint8_t)op;
    return at + 1;
}

static SGC_NOINLINE bool bare_event_apart(enum sgc_record_op op)
{
    struct sgc_record_thread *stream = record_mine();
    if (stream)
        stream->at = record_op(stream, op);
    return stream;
}

/* An event without operands. False: the recording failed. */
static inline bool record_bare_event(enum sgc_record_op op)
{
    struct sgc_record_thread *stream = sgc_context_.thread->record;
    uint8_t *at = plain_op(stream, op);
    if (sgc_unlikely(!at))
        return bare_event_apart(op);
    stream->at = at;
    return true;
}

/* ---- events of one object */

static SGC_NOINLINE void place_event_apart(enum sgc_record_op op, const void *object)
{
    struct sgc_record_thread *stream = record_mine();
    if (stream)
        stream->at = sgc_record_put_place(stream, record_op(stream, op), object);
}

static inline void record_place_event(enum sgc_record_op op, const void *object)
{
    struct sgc_record_thread *stream = sgc_context_.thread->record;
    uint8_t *at = plain_op(stream, op);
    if (sgc_likely(at))
        stream->at = sgc_record_put_place(stream, at, object);
    else
        place_event_apart(op, object);
}

/* n_elements of a tail: SIZE_MAX: as many as fit. Ephemerons have an event of their own, after their begin. */
static void record_new(struct sgc_cache *cache, void *object, size_t n_elements)
{
    if (!sgc_record_samples(object) || cache->type == &sgc_ephemeron_type)
        return;
    struct sgc_record_thread *stream = record_mine();
    if (!stream)
        return;
    const struct sgc_type *type = cache->type;
    if (type->tail_element_bytes && n_elements == SIZE_MAX)
        n_elements = (sgc_object_bytes(object) - type->size_bytes) / type->tail_element_bytes;
    uint8_t *at = record_op(stream, type->tail_element_bytes ? SGC_RECORD_NEW_N : SGC_RECORD_NEW);
    at = sgc_record_put(at, cache->record_index);
    at = sgc_record_put_place(stream, at, object);
    stream->at = type->tail_element_bytes ? sgc_record_put(at, n_elements) : at;
}

void *sgc_record_made(struct sgc_cache *cache, void *object)
{
    record_new(cache, object, sgc_context_.thread->record_elements - 1);
    return object;
}

void sgc_record_bare_new(struct sgc_cache *cache, void *object)
{
    struct sgc_record_thread *stream = sgc_record_samples(object) ? record_mine() : NULL;
    if (!stream)
        return;
    uint8_t *at = sgc_record_put(record_op(stream, SGC_RECORD_BARE_NEW), cache->record_index);
    stream->at = sgc_record_put_place(stream, at, object);
}

void sgc_record_hold(void *object)
{
    if (object_concerns(object))
        record_place_event(SGC_RECORD_HOLD, object);
}

void sgc_record_drop(void *object)
{
    if (object_concerns(object))
        record_place_event(SGC_RECORD_DROP, object);
}

void sgc_record_free(void *object)
{
    if (object_concerns(object) && sgc_record_samples(object))
        record_place_event(SGC_RECORD_FREE, object);
}

void sgc_record_deaths(void *const *objects, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (object_concerns(objects[i]) && sgc_record_samples(objects[i]))
            record_place_event(SGC_RECORD_DEATH, objects[i]);
}

/* ---- sections */

void sgc_record_enter(struct sgc_context *context)
{
    if (record_bare_event(SGC_RECORD_ENTER))
        context->rest_pending |= SGC_REST_RECORDED;
}

void sgc_record_leave(struct sgc_context *context)
{
    context->rest_pending &= (uint8_t)~SGC_REST_RECORDED;
    sgc_call_begin(context);
    if (sgc_recording_all() && context->thread->record) /* without a stream: it is another recording */
        record_bare_event(SGC_RECORD_LEAVE);
    sgc_call_end(context);
}

/* ---- stores */

bool sgc_record_store_begin(struct sgc_record_store *store, const struct sgc_heap *heap, void **field)
{
    if (!sgc_recording_all() || !heap->record_index)
        return false;
    store->thread = record_mine(); /* before the lock: it may wait */
    if (!store->thread)
        return false;
    store->lock = sgc_solo ? NULL : &stripes[sgc_hash64((uintptr_t)field) % RECORD_STRIPES];
    if (store->lock)
        sgc_lock_acquire(store->lock);
    return true;
}

void sgc_record_store_end(struct sgc_record_store *store)
{
    if (store->lock)
        sgc_lock_release(store->lock);
}

static SGC_NOINLINE void stored_alone_apart(void *owner, void **field, void *value)
{
    struct sgc_record_thread *stream = record_mine();
    if (stream)
        stream->at = sgc_record_put_store(stream, record_op(stream, SGC_RECORD_STORE), owner, field, value);
}

void sgc_record_stored_alone(void *owner, void **field, void *value)
{
    struct sgc_record_thread *stream = sgc_context_.thread->record;
    uint8_t *at = plain_op(stream, SGC_RECORD_STORE);
    if (sgc_likely(at))
        stream->at = sgc_record_put_store(stream, at, owner, field, value);
    else
        stored_alone_apart(owner, field, value);
}

static SGC_NOINLINE void then_store_apart(struct sgc_heap *heap, void *owner, void **field, void *value)
{
    stored_alone_apart(owner, field, value);
    heap->ops->store(heap->self, owner, field, value);
}

void sgc_record_then_store(struct sgc_heap *heap, void *owner, void **field, void *value)
{
    struct sgc_record_thread *stream = sgc_context_.thread->record;
    uint8_t *at = plain_op(stream, SGC_RECORD_STORE);
    if (sgc_unlikely(!at)) {
        then_store_apart(heap, owner, field, value);
        return;
    }
    stream->at = sgc_record_put_store(stream, at, owner, field, value);
    heap->ops->store(heap->self, owner, field, value);
}

void sgc_record_stored(struct sgc_record_store *store, void *owner, void **field, void *value)
{
    struct sgc_record_thread *stream = store->thread;
    stream->at = sgc_record_put_store(stream, record_op(stream, SGC_RECORD_STORE), owner, field, value);
}

void sgc_record_exchanged(struct sgc_record_store *store, void *owner, void **field, void *value, void *old)
{
    struct sgc_record_thread *stream = store->thread;
    uint8_t *at = sgc_record_put_store(stream, record_op(stream, SGC_RECORD_EXCHANGE), owner, field, value);
    stream->at = sgc_record_put_value(stream, at, old);
}

/* ---- weak references, ephemerons, finalizers */

static struct sgc_record_thread *weak_event(enum sgc_record_op op, const struct sgc_weak *weak)
{
    struct sgc_record_thread *stream =
        sgc_recording_all() && weak->number > first_handle ? record_mine() : NULL; /* else it has no name here */
    if (!stream)
        return NULL;
    stream->at = sgc_record_put_handle(stream, record_op(stream, op), weak);
    return stream;
}

void sgc_record_weak_new(struct sgc_weak *weak)
{
    struct sgc_record_thread *stream = weak_event(SGC_RECORD_WEAK_NEW, weak);
    if (stream)
        stream->at = sgc_record_put_place(stream, stream->at, weak->object);
}

void sgc_record_weak_get(struct sgc_weak *weak, void *value)
{
    struct sgc_record_thread *stream = weak_event(SGC_RECORD_WEAK_GET, weak);
    if (stream)
        stream->at = sgc_record_put_value(stream, stream->at, value);
}

void sgc_record_weak_free(struct sgc_weak *weak)
{
    (void)weak_event(SGC_RECORD_WEAK_FREE, weak);
}

void sgc_record_ephemeron(struct sgc_heap *heap, void *ephemeron, void *key, void *value)
{
    struct sgc_record_thread *stream = sgc_recording_all() && heap->record_index ? record_mine() : NULL;
    if (!stream)
        return;
    uint8_t *at = sgc_record_put(record_op(stream, SGC_RECORD_EPHEMERON), heap->record_index);
    at = sgc_record_put_place(stream, at, ephemeron);
    at = sgc_record_put_value(stream, at, key);
    stream->at = sgc_record_put_value(stream, at, value);
}

/* The event gives it a hold. One that waited when the recording began was written with a hold, which stood for the
 * queue's. */
bool sgc_record_finalizing(void *object, bool found)
{
    if (!object_concerns(object))
        return false;
    record_place_event(SGC_RECORD_FINALIZE, object);
    if (found)
        record_place_event(SGC_RECORD_DROP, object);
    return true;
}

bool sgc_record_finalizing_done(void *object)
{
    if (!object_concerns(object))
        return false;
    record_place_event(SGC_RECORD_FINALIZED, object);
    return true;
}

/* ---- heaps */

static void heap_event(const struct sgc_heap *heap, enum sgc_record_op op, uint64_t number)
{
    struct sgc_record_thread *stream = heap->record_index ? record_mine() : NULL;
    if (!stream)
        return;
    uint8_t *at = sgc_record_put(record_op(stream, op), heap->record_index);
    stream->at = op == SGC_RECORD_CLOSE ? at : sgc_record_put(at, number);
}

/* From any state. */
static void heap_event_apart(const struct sgc_heap *heap, enum sgc_record_op op, uint64_t number)
{
    SGC_SHORT_SECTION_BEGIN(context);
    if (sgc_recording_all())
        heap_event(heap, op, number);
    SGC_SHORT_SECTION_END(context);
}

void sgc_record_collect(struct sgc_heap *heap, enum sgc_collect_kind kind)
{
    heap_event_apart(heap, SGC_RECORD_COLLECT, (uint64_t)kind);
}

void sgc_record_account(struct sgc_heap *heap, int64_t bytes)
{
    heap_event_apart(heap, SGC_RECORD_ACCOUNT, sgc_record_zigzag((uint64_t)bytes));
}

void sgc_record_closed(struct sgc_heap *heap)
{
    heap_event(heap, SGC_RECORD_CLOSE, 0);
}

/* ---- fork: at its stop nobody holds a stripe */

void sgc_record_before_fork_fields(void)
{
    for (unsigned i = 0; i < RECORD_STRIPES; i++)
        sgc_lock_before_fork(&stripes[i]);
}

void sgc_record_after_fork_fields(int in_child)
{
    for (unsigned i = RECORD_STRIPES; i-- > 0;)
        sgc_lock_after_fork(&stripes[i], in_child);
}
