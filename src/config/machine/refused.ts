/** @portable Keys of cloud-init and yip that a machine config does not take, and why: docs/concepts/cloud-init.md lists them from here. */

const IMAGE = "software is part of the image: put it into the recipe, and upgrade";
const AGENT = "its program and its settings are part of the image; bring its files by write_files";
const IDENTITY = "a machine's keys are its own, made on it once, and kept";
const VENDOR = "is of one distribution or vendor: bring what it would write by write_files or units";

/** Keys at the top level. A sentence without its subject, which is the key. */
export const REFUSED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      ...["packages", "package_update", "package_upgrade", "package_reboot_if_required"],
      ...["apt", "apt_pipelining", "apt_update", "apt_upgrade", "apt_reboot_if_required", "apk_repos"],
      ...["yum_repos", "yum_repo_dir", "zypper", "snap", "drivers", "byobu_by_default"],
    ].map((key) => [key, `is not done on a machine: ${IMAGE}`]),
  ),
  ...Object.fromEntries(
    ["ansible", "chef", "puppet", "salt_minion", "mcollective", "landscape", "lxd", "rsyslog"].map((key) => [
      key,
      `is not set up here: ${AGENT}`,
    ]),
  ),
  ...Object.fromEntries(
    ["ubuntu_pro", "ubuntu_advantage", "rh_subscription", "spacewalk", "fan", "autoinstall"].map((key) => [key, VENDOR]),
  ),
  ...Object.fromEntries(
    ["ssh_keys", "ssh_genkeytypes", "ssh_publish_hostkeys", "random_seed"].map((key) => [key, `cannot be given: ${IDENTITY}`]),
  ),
  ssh_import_id: "would let whoever holds an account elsewhere log in: write the keys, under ssh_authorized_keys",
  disable_root_opts: "is not read: options of a key stand in front of it, in ssh_authorized_keys",
  allow_public_ssh_keys: "is not read: keys that a cloud gives in its meta-data count like the config's",
  locale_configfile: "is not read: the image decides where its locale stands",
  mount_default_fields: "is not read: write the fields of each mount",
  device_aliases: "is not read: name disks by /dev/disk/by-id",
  swap: "is not made: the data partition is for data; a .swap unit under `units` switches on what is there",
  migrate: "is of older versions of cloud-init",
  grub_dpkg: "is not done on a machine: the boot loader is petrify's",
  "grub-dpkg": "is not done on a machine: the boot loader is petrify's",
  wireguard: "is not read: write it as a tunnel of `network`, or by write_files",
  resolv_conf: "is not read: name servers stand in `network`, or in `dns` of a step",
  manage_resolv_conf: "is not read: name servers stand in `network`, or in `dns` of a step",
  power_state: "would cost the image on trial a try: use `petrify reboot`, or `after` of install",
  phone_home: "is not done: call home by runcmd, or let the fleet look",
  reporting: "is not done: `petrify status` and the API report",
  disable_ec2_metadata: "is not done: block it by `network` or a unit",
  cloud_init_modules: "is not read: there are no modules, keys count in the order of docs/machine-config.md",
  cloud_config_modules: "is not read: there are no modules, keys count in the order of docs/machine-config.md",
  cloud_final_modules: "is not read: there are no modules, keys count in the order of docs/machine-config.md",
  merge_how: "is not read: documents are merged by one rule, docs/machine-config.md",
  merge_type: "is not read: documents are merged by one rule, docs/machine-config.md",
  system_info: "is not read: the image says what it is",
  datasource: "is not read: docs/concepts/config.md says where a machine looks",
  vendor_data: "is not read: what a cloud's owner says counts, below what its user says",
  // yip and those that use it
  name: "of a whole document is not read: steps have names",
  "<<": "is a merge key of YAML 1.1: write the keys out",
};

/** Within an entry: by the path of the entry, without its numbers and names (`*`). */
export const REFUSED_WITHIN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  user: userKeys(),
  "users[]": userKeys(),
  "stages.*[].users.*": userKeys(),
  ntp: {
    ntp_client: "is not chosen here: the client is part of the image",
    config: "is not read: bring a file by write_files",
    peers: "is not read: bring the client's file by write_files",
    allow: "is not read: bring the client's file by write_files",
  },
  chpasswd: { list: "is the old form: write users, each with name and password, which is a hash" },
  "fs_setup[]": {
    replace_fs: "is not read: overwrite says whether what is there is made anew",
    extra_opts: "is not read: the agent's own mkfs decides",
    cmd: "is not read: the agent's own mkfs is used",
  },
  updates: {
    network: "is cloud-init's: a network is set up when the config is applied",
    automatic: "is said by mode: apply for a machine that restarts by itself, notify for one that only tells",
  },
  "stages.*[]": {
    delete_entities: "is not read: an account that no config and no image names is gone at the next boot",
    packages: `is not done on a machine: ${IMAGE}`,
    unpack_images: "is not done: `containers` run images, recipes hold their files",
    git: "is not done: `downloads` bring files with a checksum",
    datasource: "is not read: sources are read before any stage",
    systemd_firstboot: "is not read: hostname, locale, keyboard and timezone are keys of the document",
    node: "is not read: a condition is a command under `if`",
  },
  "stages.*[].systemctl": { overrides: "is not read: drop_ins of `units` do it, converge, and go away again" },
  "stages.*[].layout": { expand_partition: "is not done: the system's own disk is not touched" },
};

function userKeys(): Readonly<Record<string, string>> {
  return {
    plain_text_passwd: "would stand in the clear: write a hash, as `mkpasswd` prints it, under passwd",
    ssh_import_id: "would let whoever holds an account elsewhere log in: write the keys, under ssh_authorized_keys",
    ssh_redirect_user: "is not done",
    snapuser: "is of one distribution",
    selinux_user: "is part of the image's policy",
    doas: "is not written: bring /etc/doas.conf by write_files",
    inactive: "is not kept: passwords do not age here",
    no_user_group: "is not needed: primary_group names another group",
    create_groups: "is not needed: groups that are named are made",
  };
}

/** Taken and without any effect, with the reason: what they ask for is so anyway, or only about how cloud-init reports. */
export const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  resize_rootfs: "the root is part of the image; the data partition grows by itself",
  preserve_hostname: "the host name is the config's, and the image's where the config has none",
  create_hostname_file: "the host name is in place before any program starts",
  ssh_deletekeys: "keys are each machine's own from its first boot on",
  ssh_quiet_keygen: "nothing is printed",
  no_ssh_fingerprints: "fingerprints are printed with `petrify status`",
  authkey_hash: "no keys are printed",
  ssh_key_console_blacklist: "no keys are printed",
  ssh_fp_console_blacklist: "no keys are printed",
  ssh: "no keys are printed",
  final_message: "the console says when the machine is up",
  output: "output is in the journal",
  "launch-index": "a document is for one machine",
  version: "there is one version",
};
/** Within a user. */
export const WITHOUT_EFFECT_WITHIN_USER: Readonly<Record<string, string>> = {
  no_log_init: "there is no lastlog to begin with",
};

/** The older spellings that cloud-init takes, too. */
export const OLD_SPELLINGS: Readonly<Record<string, string>> = {
  "ca-certs": "ca_certs",
  "remove-defaults": "remove_defaults",
  ...Object.fromEntries(
    [
      ...["lock_passwd", "no_create_home", "no_log_init", "no_user_group", "hashed_passwd", "plain_text_passwd", "create_groups"],
      ...["primary_group", "selinux_user", "ssh_authorized_keys", "ssh_import_id", "ssh_redirect_user"],
    ].map((name) => [name.replaceAll("_", "-"), name]),
  ),
};
