#!/bin/sh
# Retires the pages that the host knows to be bad before the root file system is mounted. dracut sources
# this: it must not exit. configs/guest/initramfs-tools/script does the same elsewhere.

# Drivers first; built-in ones answer at once, and a VM without the port lacks nothing.
for _module in virtio_pci virtio_mmio virtio_console; do
    modprobe -q "$_module" || :
done

# The UEFI driver's report, where there is one and nobody has mounted it yet.
if [ -d /sys/firmware/efi/efivars ] && modprobe -q efivarfs; then
    mount -t efivarfs -o nosuid,nodev,noexec efivarfs /sys/firmware/efi/efivars 2> /dev/null || :
fi

# Bounded by agent.yaml (early.wait_ms, early.limit_ms), and always successful: a machine boots
# with bad memory rather than not at all. /run moves to the new root, and the verdicts with it.
/sbin/seaward-agent early || :
unset _module
