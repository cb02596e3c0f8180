/* redis.c - redis-server under load, by a Unix socket: keys that we know, then redis-benchmark, then a snapshot by fork
 * and a reload of everything; what is read back must be what was written. Called by programs.c. */
#include "tests/preload/programs.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TRIES 24000 /* of 5 ms; it may have ended before */
#define BATCH 200         /* commands in flight */
#define SOCKET_BYTES 108  /* of a name in sockaddr_un */

struct redis {
    struct measure *out;
    FILE *socket; /* replies and requests; NULL: not connected */
    int fd;
};

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static bool has_ended(pid_t process)
{
    siginfo_t ended = {0};
    return waitid(P_PID, (id_t)process, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == process;
}

static bool redis_connect(struct redis *redis, pid_t server, const char path[SOCKET_BYTES])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, SOCKET_BYTES);
    for (int i = 0; i < START_TRIES && !has_ended(server); i++, pause_ms(5)) {
        redis->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(redis->fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
            redis->socket = fdopen(redis->fd, "r");
            return true;
        }
        close(redis->fd);
    }
    measure_fail(redis->out, "redis-server does not answer");
    return false;
}

static void redis_send(struct redis *redis, const char *bytes, size_t length)
{
    while (length > 0) {
        const ssize_t n = send(redis->fd, bytes, length, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            measure_fail(redis->out, "redis: send: %s", strerror(errno));
            return;
        }
        bytes += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
}

/* One reply that is no array, without its type and line end, cut to fit. False: an error, or none. */
static bool redis_reply(struct redis *redis, char *out, size_t out_bytes)
{
    static char line[1 << 16];
    if (!fgets(line, sizeof(line), redis->socket)) {
        measure_fail(redis->out, "redis: no reply");
        return false;
    }
    const char type = line[0];
    size_t length = strcspn(line + 1, "\r\n");
    if (type == '$') {
        length = (size_t)strtoul(line + 1, NULL, 10);
        if (length + 2 > sizeof(line) - 1 || fread(line + 1, 1, length + 2, redis->socket) != length + 2) {
            measure_fail(redis->out, "redis: half a reply");
            return false;
        }
    }
    if (length > out_bytes - 1)
        length = out_bytes - 1;
    memcpy(out, line + 1, length);
    out[length] = '\0';
    if (type == '-')
        measure_fail(redis->out, "redis: %s", out);
    return type != '-';
}

static bool redis_call(struct redis *redis, const char *command, char *out, size_t out_bytes)
{
    redis_send(redis, command, strlen(command));
    redis_send(redis, "\r\n", 2);
    return redis_reply(redis, out, out_bytes);
}

/* The value of key number i: its length varies, and so do its bytes. */
static size_t value_of(unsigned i, char out[2048])
{
    const size_t length = i % 50 == 0 ? 1000 + i % 997 : 3 + i % 120;
    for (size_t k = 0; k < length; k++)
        out[k] = (char)('a' + (i * 7 + k * (1 + i % 5)) % 26);
    out[length] = '\0';
    return length;
}

static void keys_write(struct redis *redis, unsigned n_keys)
{
    char value[2048], command[2200], reply[64];
    for (unsigned i = 0; i < n_keys && !redis->out->fault[0]; i++) {
        value_of(i, value);
        const int n = snprintf(command, sizeof(command), "SET key:%u %s\r\n", i, value);
        redis_send(redis, command, (size_t)n);
        if (i % BATCH != BATCH - 1 && i + 1 < n_keys)
            continue;
        for (unsigned k = i / BATCH * BATCH; k <= i; k++)
            (void)redis_reply(redis, reply, sizeof(reply));
    }
}

static void keys_check(struct redis *redis, unsigned n_keys)
{
    char value[2048], command[64], reply[2048];
    for (unsigned i = 0; i < n_keys && !redis->out->fault[0]; i++) {
        const int n = snprintf(command, sizeof(command), "GET key:%u\r\n", i);
        redis_send(redis, command, (size_t)n);
        if (i % BATCH != BATCH - 1 && i + 1 < n_keys)
            continue;
        for (unsigned k = i / BATCH * BATCH; k <= i; k++) {
            value_of(k, value);
            if (redis_reply(redis, reply, sizeof(reply)) && strcmp(reply, value) != 0)
                measure_fail(redis->out, "redis: key:%u is '%s', not '%s'", k, reply, value);
        }
    }
}

/* A snapshot by a forked child, which must end well. */
static void redis_snapshot(struct redis *redis)
{
    static char info[1 << 15];
    char reply[256];
    (void)redis_call(redis, "BGSAVE", reply, sizeof(reply));
    do {
        pause_ms(5);
        if (!redis_call(redis, "INFO persistence", info, sizeof(info)))
            return;
    } while (strstr(info, "rdb_bgsave_in_progress:1"));
    if (!strstr(info, "rdb_last_bgsave_status:ok"))
        measure_fail(redis->out, "redis: BGSAVE failed");
}

static void redis_work(struct redis *redis, const char *path, enum size size)
{
    const unsigned n_keys = size == SIZE_LONG ? 100000 : 5000;
    char digest[64] = "", again[64], n_requests[16], n_random[16], reply[64];
    keys_write(redis, n_keys);
    keys_check(redis, n_keys);
    if (redis_call(redis, "DEBUG DIGEST", digest, sizeof(digest)))
        answer_add(redis->out, "keys %s\n", digest);
    snprintf(n_requests, sizeof(n_requests), "%u", n_keys);
    snprintf(n_random, sizeof(n_random), "%u", n_keys / 2);
    char *argv[] = {"/usr/bin/redis-benchmark",
                    "-s",
                    (char *)path,
                    "-q",
                    "-c",
                    "20",
                    "-P",
                    "16",
                    "-d",
                    "100",
                    "-n",
                    n_requests,
                    "-r",
                    n_random,
                    "-t",
                    "set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,mset",
                    NULL};
    struct measure client = {0}; /* runs on the malloc it was built with, and its costs are its own */
    if (!spawn_run(argv, NULL, NULL, NULL, &client))
        measure_fail(redis->out, "%s", client.fault);
    (void)redis_call(redis, "DEBUG DIGEST", digest, sizeof(digest));
    redis_snapshot(redis);
    (void)redis_call(redis, "DEBUG RELOAD", reply, sizeof(reply));
    if (redis_call(redis, "DEBUG DIGEST", again, sizeof(again)) && strcmp(digest, again) != 0)
        measure_fail(redis->out, "redis: %s before the reload, %s after it", digest, again);
    keys_check(redis, n_keys);
    answer_add(redis->out, "saved and reloaded\n");
}

void redis_run(const char *preload, enum size size, const char *directory, struct measure *out)
{
    char path[SOCKET_BYTES];
    struct redis redis = {.out = out};
    snprintf(path, sizeof(path), "%s/socket", directory);
    char *argv[] = {"/usr/bin/redis-server",
                    "--port",
                    "0",
                    "--unixsocket",
                    path,
                    "--dir",
                    (char *)directory,
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                    "--enable-debug-command",
                    "yes",
                    "--loglevel",
                    "warning",
                    "--daemonize",
                    "no",
                    NULL};
    const double began = clock_s();
    const pid_t server = spawn(argv, preload, NULL, NULL);
    if (server < 0) {
        measure_fail(out, "fork: %s", strerror(errno));
        return;
    }
    if (redis_connect(&redis, server, path)) {
        redis_work(&redis, path, size);
        redis_send(&redis, "SHUTDOWN NOSAVE\r\n", 17);
        fclose(redis.socket);
    } else {
        kill(server, SIGKILL);
    }
    (void)spawn_wait(server, "redis-server", out);
    out->wall_s = clock_s() - began;
}
