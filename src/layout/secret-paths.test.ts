import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isSecretPath, looksSecret } from "./secret-paths.ts";

suite("a path", () => {
  for (const path of [
    ...["/oem", "/oem/identity/node-key.pem", "/oem/petrify/api/ca.pem", "/run/petrify/api-token", "/run/credentials/a/b"],
    ...["/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/ssh/ssh_host_ed25519_key", "/root/.ssh/id_ed25519"],
    ...["/home/a/.ssh/known_hosts", "/root/.netrc", "/root/.docker/config.json", "/root/.kube/config", "/etc/ssl/private/x.pem"],
    ...["/proc/1/environ", "/proc/self/mem", "/proc/kcore", "/proc/kmsg", "/proc/keys", "/dev/sda", "/dev/watchdog"],
    ...["/srv/app/tls.key", "/etc/krb5.keytab", "/sys/kernel/tracing/trace_pipe", "/etc/rancher/k3s/k3s.yaml"],
  ])
    test(`${path} is not read`, () => assert.ok(isSecretPath(path)));

  for (const path of [
    ...[
      "/etc/passwd",
      "/etc/os-release",
      "/proc/cpuinfo",
      "/proc/sys/kernel/hostname",
      "/var/log/app.log",
      "/oemx/a",
      "/devices",
    ],
    ...["/etc/ssh/sshd_config", "/etc/ssh/ssh_host_ed25519_key.pub", "/sys/class/net/eth0/mtu", "/srv/monkey", "/etc/shadows"],
  ])
    test(`${path} is read`, () => assert.ok(!isSecretPath(path)));
});

test("a private key is known by what it begins with, wherever it lies", () => {
  for (const kind of ["", "RSA ", "OPENSSH ", "EC ", "ENCRYPTED "])
    assert.ok(looksSecret(`# ours\n-----BEGIN ${kind}PRIVATE KEY-----\nMII`), kind);
  assert.ok(looksSecret("-----BEGIN PGP PRIVATE KEY BLOCK-----"));
  for (const text of ["-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----", "PRIVATE KEY", ""])
    assert.ok(!looksSecret(text), text);
});
