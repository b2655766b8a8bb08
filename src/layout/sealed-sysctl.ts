/** @portable Kernel parameters that a sealed image sets, and nobody else: src/build/rootfs/sealed/usr/lib/sysctl.d */
export const SEALED_SYSCTLS = [
  ...["kernel.sysrq", "kernel.kexec_load_disabled", "kernel.core_pattern", "fs.suid_dumpable", "kernel.yama.ptrace_scope"],
  ...["kernel.dmesg_restrict", "kernel.kptr_restrict", "kernel.perf_event_paranoid", "kernel.unprivileged_bpf_disabled"],
  ...["net.core.bpf_jit_harden", "vm.unprivileged_userfaultfd", "dev.tty.ldisc_autoload"],
  ...["fs.protected_hardlinks", "fs.protected_symlinks", "fs.protected_fifos", "fs.protected_regular"],
] as const;
/** Programs that the kernel starts by itself. Source: Linux, Documentation/admin-guide/sysctl/kernel.rst */
export const STARTING_SYSCTLS = ["kernel.modprobe", "kernel.hotplug", "kernel.poweroff_cmd", "kernel.modules_disabled"] as const;
