/* list.h - intrusive doubly linked list with a sentinel head; callers hold whatever lock guards the list. */
#ifndef SLABGC_CORE_BASE_LIST_H
#define SLABGC_CORE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct sgc_list {
    struct sgc_list *next, *prev;
};

static inline void sgc_list_init(struct sgc_list *head)
{
    head->next = head->prev = head;
}
static inline bool sgc_list_empty(const struct sgc_list *head)
{
    return head->next == head;
}
static inline void sgc_list_insert_after(struct sgc_list *at, struct sgc_list *node)
{
    node->next = at->next;
    node->prev = at;
    at->next->prev = node;
    at->next = node;
}
static inline void sgc_list_push_front(struct sgc_list *head, struct sgc_list *node)
{
    sgc_list_insert_after(head, node);
}
static inline void sgc_list_push_back(struct sgc_list *head, struct sgc_list *node)
{
    sgc_list_insert_after(head->prev, node);
}
/* Leaves node as a list of its own, so that removing twice is harmless. */
static inline void sgc_list_remove(struct sgc_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    sgc_list_init(node);
}
#define SGC_LIST_ENTRY(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))
#define SGC_LIST_FOR_EACH(pos, head) for (struct sgc_list *pos = (head)->next; pos != (head); pos = pos->next)
/* pos may be removed inside the loop. */
#define SGC_LIST_FOR_EACH_SAFE(pos, head)                                                                              \
    for (struct sgc_list *pos = (head)->next, *next_##pos = pos->next; pos != (head);                                  \
         pos = next_##pos, next_##pos = pos->next)

#endif
