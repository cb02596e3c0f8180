/* error.h - what went wrong, for a person: filled by every call that can fail, never partly.
 * Every function that takes a `struct sgc_error *` accepts NULL (the message is then dropped). */
#ifndef SLABGC_ERROR_H
#define SLABGC_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#define SGC_ERROR_MESSAGE_BYTES 1024

/* code: negative errno of the failed call, 0 when nothing failed. message: NUL-terminated UTF-8, may span lines
 * (config errors show the line and a caret), says what, where and what to do. */
struct sgc_error {
    int code;
    char message[SGC_ERROR_MESSAGE_BYTES];
};

#ifdef __cplusplus
}
#endif
#endif
