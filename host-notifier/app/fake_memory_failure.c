// Stands between a test's notifier and libvirt, in LD_PRELOAD: raises the event of a memory
// failure, which no driver that a test can have raises, for the domain whose name a file holds. The
// file is $SEAWARD_FAKE_MEMORY_FAILURE; it is removed when the event was raised.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static virConnectPtr connection;
static virConnectDomainEventMemoryFailureCallback callback;
static void* argument;

static void look(int timer, void* ignored) {
  (void)timer;
  (void)ignored;
  const char* path = getenv("SEAWARD_FAKE_MEMORY_FAILURE");
  FILE* file = path == NULL ? NULL : fopen(path, "r");
  if (file == NULL) return;
  char name[64] = "";
  const int read = fscanf(file, "%63s", name);
  fclose(file);
  virDomainPtr domain = read == 1 ? virDomainLookupByName(connection, name) : NULL;
  if (domain == NULL) return;
  unlink(path);
  callback(connection, domain, VIR_DOMAIN_EVENT_MEMORY_FAILURE_RECIPIENT_GUEST,
           VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_INJECT, VIR_DOMAIN_MEMORY_FAILURE_ACTION_REQUIRED,
           argument);
  virDomainFree(domain);
}

int virConnectDomainEventRegisterAny(virConnectPtr conn, virDomainPtr dom, int id,
                                     virConnectDomainEventGenericCallback cb, void* opaque,
                                     virFreeCallback ff) {
  int (*real)(virConnectPtr, virDomainPtr, int, virConnectDomainEventGenericCallback, void*,
              virFreeCallback) = NULL;
  *(void**)&real = dlsym(RTLD_NEXT, "virConnectDomainEventRegisterAny");
  if (id == VIR_DOMAIN_EVENT_ID_MEMORY_FAILURE) {
    connection = conn;
    callback = (virConnectDomainEventMemoryFailureCallback)cb;
    argument = opaque;
    virEventAddTimeout(50, look, NULL, NULL);
  }
  return real(conn, dom, id, cb, opaque, ff);
}
