/*
 * The limit that Seaward is measured against: the least that an agent can do. One blocking poll, one
 * read of a 64-byte message, one write to a kept hard_offline_page, one reply. No framing, no check,
 * no record.
 *
 * Message: a guest physical address as "0x..." padded with zero bytes. Reply: the same 64 bytes with
 * the errno of the write (0: done) in byte 63.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { kMessageBytes = 64 };
static const char kPort[] = "org.seaward.bare.0";

/* Opens the virtio port named kPort; without udev only sysfs knows which one that is. */
static int OpenPort(void) {
  DIR* ports = opendir("/sys/class/virtio-ports");
  if (ports == NULL) return -1;
  int port = -1;
  for (const struct dirent* entry; port < 0 && (entry = readdir(ports)) != NULL;) {
    char path[320];
    char name[64] = {0};
    snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    const ssize_t n = read(fd, name, sizeof name - 1);
    close(fd);
    if (n < (ssize_t)sizeof kPort - 1 || strncmp(name, kPort, sizeof kPort - 1) != 0) continue;
    snprintf(path, sizeof path, "/dev/%s", entry->d_name);
    port = open(path, O_RDWR | O_CLOEXEC);
  }
  closedir(ports);
  return port;
}

int main(void) {
  const int port = OpenPort();
  const int offline = open("/sys/devices/system/memory/hard_offline_page", O_WRONLY | O_CLOEXEC);
  if (port < 0 || offline < 0) {
    perror("bare_agent");
    return 1;
  }
  struct pollfd readable = {.fd = port, .events = POLLIN};
  for (;;) {
    char message[kMessageBytes];
    if (poll(&readable, 1, -1) < 0) return 1;
    const ssize_t n = read(port, message, sizeof message);
    if (n == 0) {
      usleep(1000); /* host not connected yet */
      continue;
    }
    if (n != kMessageBytes) return 1;
    message[kMessageBytes - 1] = 0;
    const ssize_t written = write(offline, message, strlen(message));
    message[kMessageBytes - 1] = (char)(written < 0 ? errno : 0);
    if (write(port, message, sizeof message) != kMessageBytes) return 1;
  }
}
