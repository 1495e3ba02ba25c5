/* Thousands who follow the live feed over WebSocket (RFC 6455), and when each hears of a change.
 *
 * So many (-n) connect to 127.0.0.1, some (-c) at a time, and ask for the path (-P). Each
 * checks the handshake (4.1) and waits for the first message, the hello. When all have it,
 * or have failed, a line of JSON says so. Then, for each line on standard input:
 *
 *   - "listening" is printed, and the change may be made;
 *   - whoever gets a text message with that line's words in it notes the time;
 *   - when all have, or the limit (-t, seconds) is over, a line of JSON says how many have,
 *     and when the first had, the one in the middle and the last, in seconds on the clock
 *     that is CLOCK_MONOTONIC here and time.monotonic() in Python.
 *
 * Other messages are read over, pings are answered, and whoever is sent away has failed and
 * stays away. The end of standard input closes all connections and ends it.
 */
#include "client.h"

#include <getopt.h>
#include <sys/resource.h>

#define ROOM 4096 /* bytes of the answer's head, of a frame, and of a message */

/* The key and what has to become of it are the example of RFC 6455, 1.3: the same for all,
 * since it is not for secrecy, and nobody here is a cache in between. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define NAME "Sec-WebSocket-Accept:"
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum { CONTINUATION, TEXT, BINARY, CLOSE = 8, PING, PONG };                   /* 5.2 */
enum state { AWAY, CONNECTING, UPGRADING, GREETING, FOLLOWING };

static struct follower {
    int fd;
    enum state state;
    int is_text;    /* the message under way is one */
    int64_t heard;  /* when; 0: not yet */
    size_t got, size;
    char incoming[ROOM], message[ROOM + 1];
} *all;

static const char *path = "/live";
static char words[ROOM]; /* that the message has to hold */
static unsigned total = 5000, sources = 0, begun, greeted, following, heard;
static uint64_t failed;
static char first_error[256];

static void fail(struct follower *one, const char *what, int error) {
    if (!failed++)
        snprintf(first_error, sizeof first_error, "follower %d: %.150s%s", (int)(one - all), what,
                 error ? strerror(error) : "");
    if (one->state == FOLLOWING) following--, heard -= one->heard != 0;
    if (one->fd >= 0) close(one->fd);
    one->fd = -1, one->state = AWAY, one->heard = 0;
}

static void begin(struct follower *one) {
    one->fd = open_socket(begun, sources);
    begun++;
    one->state = CONNECTING;
    if (connect(one->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) {
        fail(one, "connect: ", errno);
        return;
    }
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = one};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, one->fd, &event) < 0) die("followers: epoll_ctl");
}

/* Connected, or not: ask for the upgrade (4.1), which goes out whole or not at all. */
static void upgrade(struct follower *one) {
    char request[ROOM];
    int error = 0, size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Key: " KEY "\r\n"
                        "Sec-WebSocket-Version: 13\r\n\r\n", path, ntohs(server.sin_port));
    socklen_t room = sizeof error;
    getsockopt(one->fd, SOL_SOCKET, SO_ERROR, &error, &room);
    if (error || send(one->fd, request, size, MSG_NOSIGNAL) != size) {
        fail(one, "connect: ", error ? error : errno);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, one->fd, &event) < 0) die("followers: epoll_ctl");
    one->state = UPGRADING;
}

/* Return whether the head, of so many bytes, is a right answer to the upgrade. */
static int is_upgraded(struct follower *one, size_t size) {
    char what[64];
    snprintf(what, sizeof what, "%.*s", (int)strcspn(one->incoming, "\r"), one->incoming);
    if (strncmp(one->incoming, "HTTP/1.1 101 ", 13)) {
        fail(one, what, 0);
        return 0;
    }
    for (char *line = one->incoming, *end = line + size - 2, *eol; line < end; line = eol + 2) {
        if (!(eol = strstr(line, "\r\n"))) break; /* a NUL is in it */
        if (strncasecmp(line, NAME, strlen(NAME))) continue;
        char *value = line + strlen(NAME) + strspn(line + strlen(NAME), " \t");
        if (!strncmp(value, ACCEPT, strlen(ACCEPT))) return 1;
    }
    fail(one, "a wrong Sec-WebSocket-Accept, or none", 0);
    return 0;
}

static void take_message(struct follower *one) {
    one->message[one->size] = 0;
    if (!one->is_text) return;
    if (one->state == GREETING) {
        if (!strstr(one->message, "\"hello\"")) {
            fail(one, "the first message is no hello", 0);
            return;
        }
        one->state = FOLLOWING, greeted++, following++;
    } else if (!one->heard && *words && strstr(one->message, words)) {
        one->heard = now(), heard++;
    }
}

/* Do as a frame says; *data* are its *size* bytes. */
static void take_frame(struct follower *one, int opcode, int is_last, char *data, size_t size) {
    if (opcode == PING) { /* what we send is masked (5.3), here with zeros, which change nothing */
        char pong[6 + 125] = {(char)(0x80 | PONG), (char)(0x80 | size)};
        memcpy(pong + 6, data, size);
        if (send(one->fd, pong, 6 + size, MSG_NOSIGNAL) != (ssize_t)(6 + size))
            fail(one, "pong: ", errno);
    } else if (opcode == CLOSE) {
        char what[64] = "closed by the server";
        if (size >= 2)
            snprintf(what, sizeof what, "closed by the server: %d",
                     (unsigned char)data[0] << 8 | (unsigned char)data[1]);
        fail(one, what, 0);
    } else if (opcode == TEXT || opcode == BINARY || opcode == CONTINUATION) {
        if (opcode != CONTINUATION) one->size = 0, one->is_text = opcode == TEXT;
        if (one->size + size > ROOM) {
            fail(one, "too long a message", 0);
            return;
        }
        memcpy(one->message + one->size, data, size);
        one->size += size;
        if (is_last) take_message(one);
    } else if (opcode != PONG) {
        fail(one, "an unknown kind of frame", 0);
    }
}

/* Take one frame (5.2) from the *got* bytes at *data*; return its length, 0 if it is not whole. */
static size_t take_next(struct follower *one, char *data, size_t got) {
    unsigned char *head = (unsigned char *)data;
    size_t start = 2, size;
    if (got < start) return 0;
    size = head[1] & 0x7f;
    int opcode = head[0] & 0x0f, extended = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (head[0] & 0x70 || head[1] & 0x80 || (opcode >= CLOSE && (extended || !(head[0] & 0x80)))) {
        fail(one, "a frame that must not be", 0);
        return 0;
    }
    if (extended) {
        if (got < (start += extended)) return 0;
        for (size = 0; extended; extended--) size = size << 8 | head[start - extended];
    }
    if (size > ROOM - start) {
        fail(one, "too long a frame", 0);
        return 0;
    }
    if (got < start + size) return 0;
    take_frame(one, opcode, head[0] & 0x80, data + start, size);
    return start + size;
}

/* Do what can be done with what is here. */
static void proceed(struct follower *one) {
    char *end, *data = one->incoming;
    if (one->state == UPGRADING) {
        if (!(end = memmem(data, one->got, "\r\n\r\n", 4))) return;
        end[2] = 0; /* so it is a text, up to the end of its last line */
        if (!is_upgraded(one, end + 4 - data)) return;
        one->state = GREETING;
        data = end + 4;
    }
    for (size_t taken; one->state != AWAY; data += taken)
        if (!(taken = take_next(one, data, one->got - (data - one->incoming)))) break;
    one->got -= data - one->incoming;
    memmove(one->incoming, data, one->got);
}

static void receive(struct follower *one) {
    ssize_t size = recv(one->fd, one->incoming + one->got, ROOM - one->got, 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size < 0) {
        fail(one, "recv: ", errno);
    } else if (!size) {
        fail(one, one->got < ROOM ? "cut off" : "too much at once", 0);
    } else {
        one->got += size;
        proceed(one);
    }
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void report(int64_t began) {
    int64_t *times = calloc(total, sizeof *times);
    unsigned count = 0;
    if (!times) die("followers: memory");
    for (unsigned i = 0; i < total; i++)
        if (all[i].heard) times[count++] = all[i].heard;
    qsort(times, count, sizeof *times, compare);
    for (unsigned char *c = (unsigned char *)first_error; *c; c++)
        if (*c == '"' || *c == '\\' || *c < ' ' || *c > '~') *c = ' ';
    printf("{\"following\": %u, \"errors\": %llu, \"first_error\": \"%s\", \"seconds\": %.6f, "
           "\"heard\": %u, \"first\": %.6f, \"median\": %.6f, \"last\": %.6f}\n",
           following, (unsigned long long)failed, first_error, (double)(now() - began) / SECOND,
           count, count ? (double)times[0] / SECOND : 0,
           count ? (double)times[count / 2] / SECOND : 0,
           count ? (double)times[count - 1] / SECOND : 0);
    fflush(stdout);
    free(times);
}

static void wait_for_followers(int milliseconds) {
    struct epoll_event events[256];
    int count = epoll_wait(poller, events, 256, milliseconds);
    for (int i = 0; i < count; i++) {
        struct follower *one = events[i].data.ptr;
        if (one) one->state == CONNECTING ? upgrade(one) : receive(one);
    }
}

/* Read over whatever comes until there is a line; return whether there is. */
static int next_line(void) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[256];
    int is_there = 0;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, 0, &event) < 0) die("followers: standard input");
    while (!is_there) {
        int count = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < count; i++)
            events[i].data.ptr ? receive(events[i].data.ptr) : (void)(is_there = 1);
    }
    epoll_ctl(poller, EPOLL_CTL_DEL, 0, NULL);
    if (!fgets(words, sizeof words, stdin)) return 0;
    words[strcspn(words, "\n")] = 0;
    return 1;
}

static void connect_all(unsigned at_once, int64_t last) {
    while (now() < last && greeted + failed < total) {
        while (begun < total && begun - greeted - failed < at_once) begin(&all[begun]);
        wait_for_followers(100);
    }
    for (unsigned i = 0; i < begun; i++)
        if (all[i].state != AWAY && all[i].state != FOLLOWING)
            fail(&all[i], "no hello within the limit", 0);
}

int main(int argc, char **argv) {
    unsigned at_once = 100, limit = 30;
    for (int key; (key = getopt(argc, argv, "p:n:c:s:t:P:")) != -1;) switch (key) {
        case 'p': server.sin_port = htons(atoi(optarg)); break;
        case 'n': total = atoi(optarg); break;
        case 'c': at_once = atoi(optarg); break;   /* that connect at the same time */
        case 's': sources = atoi(optarg); break;   /* addresses to connect from */
        case 't': limit = atoi(optarg); break;     /* seconds, for connecting and for each line */
        case 'P': path = optarg; break;
        default: return 2;
        }
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* and nowhere else */
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    setvbuf(stdin, NULL, _IONBF, 0); /* a line is in our buffer or in the kernel's, not both */
    if (!total || !at_once || !limit || strlen(path) > ROOM / 2 || total + 20 > files.rlim_max)
        exit((fputs("followers: arguments, or too few descriptors\n", stderr), 2));
    all = calloc(total, sizeof *all);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (!all || poller < 0) die("followers");
    for (unsigned i = 0; i < total; i++) all[i].fd = -1;
    alarm(limit + 60); /* should all else fail, or nobody say anything any more */
    int64_t began = now();
    connect_all(at_once, began + limit * SECOND);
    report(began);
    while (next_line()) {
        alarm(limit + 60);
        for (unsigned i = 0; i < total; i++) all[i].heard = 0;
        heard = 0;
        puts("listening"), fflush(stdout);
        began = now();
        while (heard < following && now() < began + limit * SECOND) wait_for_followers(100);
        *words = 0;
        report(began);
    }
    return 0;
}
