#!/bin/bash
# Puts the agent's early stage into an initramfs that dracut makes.
# Install as /usr/lib/dracut/modules.d/90seaward/module-setup.sh, with seaward-early.sh beside it.

check() {
    [ -x "$dracutsysrootdir/usr/sbin/seaward-agent" ] || return 1
    return 0
}

depends() {
    return 0
}

# Built into many kernels; where they are modules, the port needs them before the early stage, and the
# UEFI driver's report its file system. Not only what is loaded on the machine that makes the image.
installkernel() {
    hostonly='' instmods virtio_pci virtio_mmio virtio_console efivarfs
}

install() {
    inst_simple /usr/sbin/seaward-agent /sbin/seaward-agent
    if [ -e "$dracutsysrootdir/etc/seaward/agent.yaml" ]; then
        inst_simple /etc/seaward/agent.yaml
    fi
    # The first hook after the kernel's command line was read.
    inst_hook pre-udev 10 "$moddir/seaward-early.sh"
}
