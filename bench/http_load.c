/* Asks a web server over connections that are kept, and says how fast it answers.
 *
 * So many connections are open (-c), and each has one request under way at any time: the
 * next goes out when the answer to the last is there, for a name drawn at random from so
 * many (-n). Each answer is checked: that its status is 200, that it is as long as its
 * Content-Length says and no longer, and that it holds what it should. Timed is from before
 * the request goes out to the last byte of the answer. After so many seconds (-s) no more
 * are begun.
 *
 * A server may say that it will close a connection, after so many requests on it; it is
 * opened again then, in the time of the next request. One that closes without having said
 * so has failed. Once no answer has come for so long (-t), what is under way has failed, too.
 *
 * One process is enough, since nothing is opened or closed for a request. Prints one line
 * of JSON, times in microseconds, how busy it was itself, and how many connections it took.
 */
#include "client.h"

#include <getopt.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#define TEXT 2048   /* bytes of a request */
#define ROOM 65536  /* bytes of an answer, with its head */
#define MOST 256    /* connections */

struct line { /* one connection, and the request that is under way on it */
    int fd, busy;
    int64_t began;
    size_t got, whole; /* bytes of the answer that are here, and that there are; 0: not known */
    size_t request_length, sent, body; /* where the body of the answer begins */
    char request[TEXT], expected[TEXT], answer[ROOM + 1];
};

static const char *path_pattern = "/user%", *body_pattern = NULL, *answer_pattern = "user% ";
static uint64_t names = 10000;
static uint64_t answered, failed, opened, room = 1000000;
static int64_t *times;
static char first_error[256];

/* Write the pattern with the number where it has a %; return the length. */
static size_t fill(char *out, const char *pattern, uint64_t number) {
    size_t size = 0;
    for (const char *c = pattern; *c && size < TEXT; c++) {
        if (*c != '%') out[size++] = *c;
        else size += snprintf(out + size, TEXT - size, "%llu", (unsigned long long)number);
    }
    if (size >= TEXT) exit((fputs("http_load: a pattern is too long\n", stderr), 2));
    out[size] = 0;
    return size;
}

static void write_request(struct line *one, uint64_t number) {
    char path[TEXT], body[TEXT] = "", more[128] = "";
    fill(path, path_pattern, number);
    if (body_pattern) {
        size_t size = fill(body, body_pattern, number);
        snprintf(more, sizeof more, "Content-Type: text/xml\r\nContent-Length: %zu\r\n", size);
    }
    int size = snprintf(one->request, TEXT,
                        "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: text/%s\r\n%s\r\n%s",
                        body_pattern ? "POST" : "GET", path, ntohs(server.sin_port),
                        body_pattern ? "xml" : "html", more, body);
    if (size >= TEXT) exit((fputs("http_load: a request is too long\n", stderr), 2));
    one->request_length = size;
    fill(one->expected, answer_pattern, number);
}

static void hang_up(struct line *one) {
    if (one->fd >= 0) close(one->fd);
    one->fd = -1;
}

static void fail(struct line *one, const char *what, int error) {
    int first_line = (int)strcspn(one->request, "\r");
    if (!failed++)
        snprintf(first_error, sizeof first_error, "%.*s: %s%s", first_line, one->request, what,
                 error ? strerror(error) : "");
    one->busy = 0;
    hang_up(one);
}

static void send_request(struct line *one) {
    ssize_t sent = send(one->fd, one->request + one->sent, one->request_length - one->sent,
                        MSG_NOSIGNAL);
    if (sent >= 0) one->sent += sent;
    else if (errno != EAGAIN) fail(one, "send: ", errno);
}

static void open_line(struct line *one) {
    int yes = 1;
    one->fd = open_socket(0, 0);
    setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    opened++;
    if (connect(one->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) {
        fail(one, "connect: ", errno);
        return;
    }
    /* By edges, so that nobody is woken up again and again for having room to send. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = one};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, one->fd, &event) < 0) die("http_load: epoll_ctl");
}

static void begin(struct line *one) {
    write_request(one, draw(names));
    one->began = now();
    one->got = one->whole = one->sent = 0;
    one->busy = 1;
    if (one->fd < 0) open_line(one);
    if (one->busy) send_request(one);
}

/* Return what the head of the answer says of *name*, which has its colon; or NULL. */
static const char *header(const struct line *one, const char *name) {
    const char *line = one->answer, *end = one->answer + one->body - 2;
    while ((line = memmem(line, end - line, "\r\n", 2)) && line < end) {
        line += 2;
        if (!strncasecmp(line, name, strlen(name))) return line + strlen(name);
    }
    return NULL;
}

/* Find out from the head how long the answer is; return 0 if that is no answer we want. */
static int measure(struct line *one) {
    const char *end = memmem(one->answer, one->got, "\r\n\r\n", 4), *length;
    if (!end) return 1;
    one->body = end + 4 - one->answer;
    if (strncmp(one->answer, "HTTP/1.1 200 ", 13)) {
        char words[64];
        snprintf(words, sizeof words, "%.*s", (int)strcspn(one->answer, "\r"), one->answer);
        fail(one, words, 0);
    } else if (!(length = header(one, "content-length:"))) {
        fail(one, "no Content-Length", 0);
    } else {
        one->whole = one->body + strtoul(length, NULL, 10);
        if (one->whole > ROOM) fail(one, "too long", 0);
    }
    return one->busy;
}

/* The answer is as long as it said. */
static void finish(struct line *one) {
    if (!memmem(one->answer + one->body, one->whole - one->body, one->expected,
                strlen(one->expected))) {
        fail(one, "a wrong answer", 0);
        return;
    }
    const char *connection = header(one, "connection:");
    if (answered < room) times[answered++] = now() - one->began;
    one->busy = 0;
    if (connection && !strncasecmp(connection + strspn(connection, " "), "close", 5)) hang_up(one);
}

static void receive(struct line *one) {
    while (one->busy) {
        ssize_t size = recv(one->fd, one->answer + one->got, ROOM - one->got, 0);
        if (size < 0 && errno == EAGAIN) return;
        if (size < 0) {
            fail(one, "recv: ", errno);
        } else if (!size) {
            fail(one, one->got < ROOM ? "closed before the end of the answer" : "too long", 0);
        } else {
            one->answer[one->got += size] = 0;
            if (!one->whole && !measure(one)) return;
            if (one->whole && one->got > one->whole) fail(one, "more than was asked for", 0);
            else if (one->whole && one->got == one->whole) finish(one);
        }
    }
}

/* Keep all of them busy for so long; the answers to the last requests are waited for. */
static void run(struct line *all, unsigned count, int64_t last, int64_t patience) {
    struct epoll_event events[MOST];
    unsigned under_way = 0;
    uint64_t before = 0;
    int64_t heard = now(); /* when the last answer came */
    for (unsigned i = 0; i < count; i++) begin(&all[i]), under_way += all[i].busy;
    while (under_way && now() - heard < patience) {
        int ready = epoll_wait(poller, events, MOST, 100);
        int64_t when = now();
        for (int i = 0; i < ready; i++) {
            struct line *one = events[i].data.ptr;
            if (one->busy && one->sent < one->request_length) send_request(one);
            if (one->busy) receive(one);
            if (!one->busy && when < last && answered < room && failed < count) begin(one);
        }
        if (answered > before) heard = when;
        before = answered, under_way = 0;
        for (unsigned i = 0; i < count; i++) under_way += all[i].busy;
    }
    for (unsigned i = 0; i < count; i++)
        if (all[i].busy) fail(&all[i], "no answer within the limit", 0);
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double quantile(double part) {
    if (!answered) return 0;
    uint64_t place = (uint64_t)(part * (double)answered);
    return (double)times[place < answered ? place : answered - 1] / 1000;
}

static void report(int64_t took) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec +
                 (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    for (unsigned char *c = (unsigned char *)first_error; *c; c++)
        if (*c == '"' || *c == '\\' || *c < ' ' || *c > '~') *c = ' ';
    qsort(times, answered, sizeof *times, compare);
    printf("{\"queries\": %llu, \"errors\": %llu, \"first_error\": \"%s\", \"seconds\": %.6f, "
           "\"busy\": %.3f, \"min\": %.1f, \"median\": %.1f, \"p99\": %.1f, \"p999\": %.1f, "
           "\"max\": %.1f, \"connections\": %llu}\n",
           (unsigned long long)answered, (unsigned long long)failed, first_error,
           (double)took / SECOND, cpu * SECOND / took, quantile(0), quantile(.5), quantile(.99),
           quantile(.999), quantile(1), (unsigned long long)opened);
}

int main(int argc, char **argv) {
    unsigned count = 32;
    double seconds = 2, patience = 10;
    for (int key; (key = getopt(argc, argv, "p:c:n:s:t:x:P:B:A:")) != -1;) switch (key) {
        case 'p': server.sin_port = htons(atoi(optarg)); break;
        case 'c': count = atoi(optarg); break;         /* connections */
        case 'n': names = strtoull(optarg, NULL, 10); break;
        case 's': seconds = atof(optarg); break;
        case 't': patience = atof(optarg); break;      /* seconds without any answer */
        case 'x': seed ^= strtoull(optarg, NULL, 10) << 20; break;
        case 'P': path_pattern = optarg; break;        /* % is the number drawn */
        case 'B': body_pattern = optarg; break;        /* of a POST, if there is one */
        case 'A': answer_pattern = optarg; break;      /* what the answer has to hold */
        default: return 2;
        }
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* and nowhere else */
    if (!count || count > MOST || !names || seconds <= 0 || seconds > 600 || patience <= 0 ||
        patience > 600)
        exit((fputs("http_load: arguments\n", stderr), 2));
    struct line *all = calloc(count, sizeof *all);
    times = malloc(room * sizeof *times);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (!all || !times || poller < 0) die("http_load");
    for (unsigned i = 0; i < count; i++) all[i].fd = -1;
    alarm((unsigned)(seconds + patience) + 5); /* should all else fail */
    int64_t began = now();
    run(all, count, began + (int64_t)(seconds * SECOND), (int64_t)(patience * SECOND));
    report(now() - began);
    return 0;
}
