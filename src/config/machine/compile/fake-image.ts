/** Images for tests, from literals. */
import { fakeTree, type FakeFiles } from "../../../layout/fake-tree.ts";
import { imageView, type ImageView } from "./image-view.ts";

const COMMON: FakeFiles = {
  "/etc/": "",
  "/etc/passwd":
    "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n",
  "/etc/group": "root:x:0:\ndaemon:x:1:\nadm:x:4:\nsudo:x:27:\nwww-data:x:33:\nssl-cert:x:101:\n",
  "/etc/hosts": "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n",
  "/bin": { link: "usr/bin" },
  "/sbin": { link: "usr/sbin" },
  "/lib": { link: "usr/lib" },
  "/usr/bin/bash": "",
  "/usr/bin/sh": "",
  "/usr/bin/false": "",
  "/usr/share/zoneinfo/Europe/Berlin": "TZif",
  "/var/run": { link: "/run" },
  "/var/lib/": "",
  "/srv/": "",
  "/mnt/": "",
};
const PERSISTENT = ["/home", "/opt", "/root", "/srv", "/var/log"];

const DEBIAN: FakeFiles = {
  ...COMMON,
  "/etc/ssl/certs/ca-certificates.crt": "-----BEGIN CERTIFICATE-----\nSU1BR0U=\n-----END CERTIFICATE-----\n",
  "/etc/ssl/certs/IMAGE.pem": { link: "/usr/share/ca-certificates/IMAGE.crt" },
  "/etc/sudoers": "root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n",
  "/etc/sudoers.d/README": "",
  "/usr/bin/sudo": "",
  "/etc/pam.d/sshd": "",
  "/usr/sbin/sshd": "",
  "/etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n",
  "/etc/ssh/sshd_config.d/": "",
  "/etc/default/locale": { link: "../locale.conf" },
  "/etc/locale.conf": "LANG=C.UTF-8\n",
  "/etc/default/keyboard": "XKBLAYOUT=us\n",
  "/usr/bin/setupcon": "",
  "/etc/console-setup/cached_setup_keyboard.sh": "",
  "/etc/resolv.conf": { link: "../run/systemd/resolve/stub-resolv.conf" },
  "/usr/lib/locale/locale-archive": "",
  "/usr/lib/systemd/systemd-timesyncd": "",
  "/usr/lib/systemd/system/systemd-timesyncd.service":
    "[Unit]\nDescription=Time\n[Install]\nWantedBy=sysinit.target\nAlias=dbus-org.freedesktop.timesync1.service\n",
  "/usr/lib/systemd/system/nginx.service": "[Service]\nExecStart=/usr/sbin/nginx\n[Install]\nWantedBy=multi-user.target\n",
  "/usr/lib/systemd/system/ssh.service":
    "[Service]\nExecStart=/usr/sbin/sshd -D\n[Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n",
  "/usr/lib/systemd/system/static.service": "[Service]\nExecStart=/usr/bin/true\n",
  "/usr/lib/systemd/system/getty@.service":
    "[Service]\nExecStart=/sbin/agetty %I\n[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n",
  "/etc/systemd/system/multi-user.target.wants/ssh.service": { link: "/usr/lib/systemd/system/ssh.service" },
  "/etc/systemd/system/sshd.service": { link: "/usr/lib/systemd/system/ssh.service" },
  "/etc/systemd/system/off.service": { link: "/dev/null" },
  "/usr/lib/systemd/system/off.service": "[Install]\nWantedBy=multi-user.target\n",
  "/usr/lib/systemd/system-generators/podman-system-generator": "",
  "/usr/bin/podman": "",
  "/usr/lib/modules/6.12.1/modules.dep": "kernel/net/wireguard.ko: kernel/lib/x.ko\nkernel/drivers/net/nf_conntrack.ko:\n",
  "/usr/lib/modules/6.12.1/modules.builtin": "kernel/net/ipv4/tcp_bbr.ko\n",
};

const FEDORA: FakeFiles = {
  ...COMMON,
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem": "-----BEGIN CERTIFICATE-----\nSU1BR0U=\n-----END CERTIFICATE-----\n",
  "/etc/pki/ca-trust/source/anchors/": "",
  "/etc/ssl/certs": { link: "/etc/pki/tls/certs" },
  "/etc/pki/tls/certs/5ed36f99.0": { link: "/etc/pki/image.pem" },
  "/etc/pki/tls/certs/ca-bundle.crt": { link: "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem" },
  "/usr/bin/sudo": "",
  "/etc/sudoers": "#includedir /etc/sudoers.d\n",
  "/etc/pam.d/sshd": "",
  "/usr/sbin/sshd": "",
  "/etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\n",
  "/etc/chrony.conf": "pool 2.fedora.pool.ntp.org iburst\ndriftfile /var/lib/chrony/drift\n",
  "/usr/sbin/chronyd": "",
  "/usr/lib/systemd/system/chronyd.service": "[Install]\nWantedBy=multi-user.target\n",
  "/etc/vconsole.conf": "KEYMAP=us\n",
  "/usr/lib/locale/en_GB.utf8/LC_CTYPE": "",
  "/usr/bin/nerdctl": "",
};

const ALPINE: FakeFiles = {
  ...COMMON,
  "/etc/ssl/certs/ca-certificates.crt": "-----BEGIN CERTIFICATE-----\nSU1BR0U=\n-----END CERTIFICATE-----\n",
  "/etc/ssl/cert.pem": { link: "certs/ca-certificates.crt" },
  "/usr/sbin/sshd": "",
  "/etc/ssh/sshd_config": "# $OpenBSD$\nAuthorizedKeysFile .ssh/authorized_keys\nSubsystem sftp internal-sftp\n",
  "/lib/ld-musl-x86_64.so.1": "",
  "/usr/lib/ld-musl-x86_64.so.1": "",
  "/etc/conf.d/ntpd": 'NTPD_OPTS="-N -p pool.ntp.org"\n',
  "/etc/init.d/ntpd": "#!/sbin/openrc-run\n",
  "/etc/init.d/sshd": "#!/sbin/openrc-run\n",
  "/etc/init.d/nginx": "#!/sbin/openrc-run\n",
  "/etc/runlevels/default/sshd": { link: "/etc/init.d/sshd" },
  "/etc/rc.conf": "rc_sys=\n",
  "/etc/profile.d/": "",
};

const { "/lib": _lib, ...OWN_LIB } = ALPINE;
const facts = (name: string, init: ImageView["init"], os: string, osVersion: string) => ({
  ...{ name, version: "1.0.0", init, os, osVersion },
  ...{ architecture: "x86_64", persistent: PERSISTENT },
});

export const debian = (more: FakeFiles = {}): ImageView =>
  imageView(facts("web", "systemd", "debian", "13"), fakeTree({ ...DEBIAN, ...more }));
export const fedora = (more: FakeFiles = {}): ImageView =>
  imageView(facts("fed", "systemd", "fedora", "42"), fakeTree({ ...FEDORA, ...more }));
export const alpine = (more: FakeFiles = {}): ImageView =>
  imageView(facts("alp", "openrc", "alpine", "3.22"), fakeTree({ ...OWN_LIB, ...more }));
