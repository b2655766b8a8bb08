/** @portable Paths that the API does not read for anybody: what is in them lets others in. docs/concepts/api.md */

/** Each with everything below it. */
const FOLDERS = [
  // Who this machine is, what it has, and its machine configs, which may hold passwords.
  "/oem",
  "/run/petrify",
  "/run/credentials",
  "/run/systemd/credentials",
  "/run/secrets",
  "/var/lib/systemd/credential.secret",
  "/var/lib/kubelet/pki",
  "/etc/kubernetes/pki",
  "/etc/rancher",
  "/etc/ssl/private",
  "/etc/pki/tls/private",
  "/etc/wireguard",
  "/etc/NetworkManager/system-connections",
  // These wait, or are something else at each look.
  "/dev",
  "/sys/kernel/debug",
  "/sys/kernel/tracing",
  "/sys/kernel/security",
] as const;

const NAMES = [
  /^\/etc\/g?shadow-?$/,
  /^\/etc\/security\/opasswd$/,
  // A process's memory, environment, and what it has open; of all of them the kernel's log, memory and keys.
  /^\/proc\/(?:\d+|self|thread-self)\//,
  /^\/proc\/(?:k|timer_list|sysrq|vmcore|acpi\/event)/,
  /\/\.(?:ssh|gnupg|aws|kube|docker|config\/gcloud|password-store)\//,
  /\/\.(?:netrc|pgpass|git-credentials|npmrc|bash_history|zsh_history|ash_history)$/,
  /\/ssh_host_[a-z0-9]+_key$/,
  /\.(?:key|p12|pfx|jks|keytab|kdbx)$/,
  /(?:^|\/)krb5\.keytab$/,
  /\/auth\.json$/,
  /\/kubeconfig$/,
  /\.kubeconfig$/,
] as const;

/** @param path absolute, with every link resolved */
export const isSecretPath = (path: string): boolean =>
  FOLDERS.some((folder) => path === folder || path.startsWith(`${folder}/`)) || NAMES.some((name) => name.test(path));

const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----/;

/** A key that lies where nobody expects one. @param head of the file, in Latin-1 */
export const looksSecret = (head: string): boolean => PRIVATE_KEY.test(head);
