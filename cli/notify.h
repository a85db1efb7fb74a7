/* notify: tells whoever started this process how it is (sd_notify of systemd, and our supervisor):
 * datagrams to $NOTIFY_SOCKET. Without that variable nothing is told. Any thread. */
#ifndef CLI_NOTIFY_H
#define CLI_NOTIFY_H

#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=…", lines of them. Never waits, never fails. */
void notify_tell(const char *lines);
/* How often WATCHDOG=1 is to be told: half of what is allowed; 0: nobody watches. */
uint64_t notify_watchdog_us(void);

#endif
