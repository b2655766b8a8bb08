/** @portable Names of the keys of a machine config, where its schema is too large to be loaded for them alone. A test holds them against it. */
export const DOCUMENT_KEYS: ReadonlySet<string> = new Set(
  (
    "hostname fqdn prefer_fqdn_over_hostname manage_etc_hosts user users groups ssh_authorized_keys ssh_pwauth disable_root password " +
    "chpasswd write_files bootcmd runcmd ntp timezone locale keyboard network ca_certs proxy sysctl modules environment units " +
    "containers growpart disk_setup fs_setup mounts persist health kernel install api updates drift stages config_url"
  ).split(" "),
);
