/* orders: a mailbox between a thread that draws and an actor. */
#include "cli/console/orders.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void wake(const struct orders *orders) {
    uint64_t one = 1;
    if (orders->wake_fd < 0) return;
    ssize_t ignored = write(orders->wake_fd, &one, sizeof one);
    (void)ignored; /* full: it is awake already */
}

enum status orders_init(struct orders *orders) {
    memset(orders, 0, sizeof *orders);
    pthread_mutex_init(&orders->lock, NULL);
    orders->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return orders->wake_fd < 0 ? STATUS_IO : STATUS_OK;
}

void orders_free(struct orders *orders) {
    if (orders->wake_fd >= 0) close(orders->wake_fd);
    pthread_mutex_destroy(&orders->lock);
}

void orders_want(struct orders *orders, const struct wanted *wanted) {
    pthread_mutex_lock(&orders->lock);
    struct wanted before = orders->wanted;
    orders->wanted = *wanted;
    before.every_ms = wanted->every_ms;
    bool other = memcmp(&before, wanted, sizeof before) != 0;
    pthread_mutex_unlock(&orders->lock);
    if (other) wake(orders);
}

bool orders_once(struct orders *orders, const struct once *once) {
    pthread_mutex_lock(&orders->lock);
    bool room = orders->n_once < ORDERS_ONCE_MAX;
    if (room) orders->once[orders->n_once++] = *once;
    pthread_mutex_unlock(&orders->lock);
    if (room) wake(orders);
    return room;
}

struct wanted orders_wanted(struct orders *orders) {
    pthread_mutex_lock(&orders->lock);
    struct wanted wanted = orders->wanted;
    pthread_mutex_unlock(&orders->lock);
    return wanted;
}

bool orders_take(struct orders *orders, struct once *out) {
    pthread_mutex_lock(&orders->lock);
    bool some = orders->n_once > 0;
    if (some) {
        *out = orders->once[0];
        memmove(orders->once, orders->once + 1, --orders->n_once * sizeof *orders->once);
    }
    pthread_mutex_unlock(&orders->lock);
    return some;
}
