/* One query after the other, as the load of every measurement makes them: see load.c. */
#include "client.h"


#define TEXT 256 /* bytes of a query, and of an answer's beginning */

struct asking { /* one query that is under way */
    int fd;
    int sending; /* the query did not go out whole at once */
    int64_t began;
    size_t got, query_length, answer_length;
    char query[TEXT], answer[TEXT], head[TEXT], last;
};

static const char *query_pattern = "user%", *answer_pattern = "user% ";
static uint64_t names = 10000;
static unsigned sources = 0;
static uint64_t begun, total = 20000, rate = 0;

/* In memory that all processes share: what came of it, each in its own place. */
static struct result {
    uint64_t answered, failed;
    char first_error[2 * TEXT];
} *result;
static int64_t *times;

/* Write the pattern with the number where its first % is; return the length. */
static size_t fill(char *out, const char *pattern, uint64_t number, const char *end) {
    const char *mark = strchr(pattern, '%');
    int head = mark ? (int)(mark - pattern) : (int)strlen(pattern);
    int size = mark ? snprintf(out, TEXT, "%.*s%llu%s%s", head, pattern,
                               (unsigned long long)number, mark + 1, end)
                    : snprintf(out, TEXT, "%s%s", pattern, end);
    if (size >= TEXT) exit((fputs("load: a pattern is too long\n", stderr), 2));
    return size;
}

static void fail(struct asking *one, const char *what, int error) {
    if (!result->failed++)
        snprintf(result->first_error, sizeof result->first_error, "%.100s: %s%s", one->query,
                 what, error ? strerror(error) : "");
}

static void end(struct asking *one) {
    if (one->fd >= 0) close(one->fd);
    one->fd = -1;
}

static void send_query(struct asking *one) {
    ssize_t sent = send(one->fd, one->query, one->query_length, MSG_NOSIGNAL);
    one->sending = sent < 0 && errno == EAGAIN; /* some dozen bytes go whole or not at all */
    if (sent < 0 && !one->sending) fail(one, "send: ", errno), end(one);
}

static void begin(struct asking *one, int64_t when) {
    uint64_t number = draw(names);
    one->query_length = fill(one->query, query_pattern, number, "\r\n");
    one->answer_length = fill(one->answer, answer_pattern, number, "");
    one->got = 0;
    one->began = when;
    one->fd = open_socket(begun, sources);
    begun++;
    if (connect(one->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) {
        fail(one, "connect: ", errno), end(one);
        return;
    }
    send_query(one); /* on loopback the connection is there already */
    if (one->fd < 0) return;
    struct epoll_event event = {.events = EPOLLIN | (one->sending ? EPOLLOUT : 0)};
    event.data.ptr = one;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, one->fd, &event) < 0) die("load: epoll_ctl");
}

static void check(struct asking *one) {
    if (one->got < one->answer_length || memcmp(one->head, one->answer, one->answer_length))
        fail(one, "a wrong answer", 0);
    else if (one->last != '\n')
        fail(one, "an answer that is cut off", 0);
    else
        times[result->answered++] = now() - one->began;
}

static void receive(struct asking *one) {
    static char buffer[65536];
    for (;;) {
        ssize_t size = recv(one->fd, buffer, sizeof buffer, 0);
        if (size < 0 && errno == EAGAIN) return;
        if (size <= 0) {
            size < 0 ? fail(one, "recv: ", errno) : check(one);
            end(one);
            return;
        }
        if (one->got < TEXT) {
            size_t room = TEXT - one->got;
            memcpy(one->head + one->got, buffer, (size_t)size < room ? (size_t)size : room);
        }
        one->got += size;
        one->last = buffer[size - 1];
    }
}

static void proceed(struct asking *one) {
    if (one->sending) {
        send_query(one);
        if (one->fd < 0 || one->sending) return;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
        if (epoll_ctl(poller, EPOLL_CTL_MOD, one->fd, &event) < 0) die("load: epoll_ctl");
    }
    receive(one);
}
