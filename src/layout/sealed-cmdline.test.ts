import assert from "node:assert/strict";
import { test } from "node:test";
import { imageCommandLine, imageWords, loaderCommandLine, ramCommandLine } from "./cmdline.ts";
import { commandLineProblem, sealedArgProblem, SEALED_WORDS } from "./sealed-cmdline.ts";

const WORDS = ["quiet", "console=ttyS1,9600", ...SEALED_WORDS];
const OWN = imageWords(WORDS);
const IMAGE = imageCommandLine({ rootHash: "0".repeat(64), words: WORDS });
const LOADER = loaderCommandLine({ slot: "a", disk: "00000001-1111-4222-8333-444444444444", file: "/a.img", trial: "0123abcd" });
const disk = (more = ""): string | undefined =>
  commandLineProblem(`BOOT_IMAGE=(loop0,gpt1)/vmlinuz ${IMAGE} ${LOADER} ${more}\n`, OWN);
const ram = (more = ""): string | undefined =>
  commandLineProblem(`${IMAGE} ${ramCommandLine({ size: 1, memory: 2 })} initrd=initrd ${more}`, OWN);

test("a sealed image takes its own words, the boot loader's, and what a machine config may add", () => {
  assert.equal(disk(), undefined);
  assert.equal(
    disk("loglevel=7 isolcpus=1-3 hugepagesz=1G hugepages=2 mitigations=auto,nosmt systemd.log-level=debug"),
    undefined,
  );
  assert.equal(disk("quiet"), undefined, "twice is once");
  assert.equal(ram("petrify.installer petrify.install.device=/dev/vda ds=nocloud;s=http://10.0.0.1/ ip=dhcp"), undefined);
});

for (const word of [
  ...["init=/bin/sh", "rdinit=/bin/sh", "single", "S", "1", "-b", "emergency", "rescue", "rd.break", "--", "foo"],
  ...[
    "systemd.unit=rescue.target",
    "systemd.debug_shell",
    "systemd.debug-shell=1",
    "systemd.run=/usr/bin/x",
    "systemd.wants=debug-shell.service",
  ],
  ...[
    "systemd.mask=petrifyd.service",
    "systemd.set_credential=systemd.extra-unit.x.service:y",
    "systemd.import_credentials=yes",
    "systemd.crash_shell",
  ],
  ...["systemd.setenv=LD_PRELOAD=/x", "LD_PRELOAD=/oem/x.so", "SYSTEMD_UNIT_PATH=/oem", "NODE_OPTIONS=--inspect"],
  ...[
    "sysrq_always_enabled",
    "sysctl.kernel.sysrq=1",
    "kgdboc=ttyS0",
    "efi=runtime",
    "mitigations=off",
    "module.sig_enforce=0",
    "debugfs=on",
  ],
  ...[
    "root=/dev/sda1",
    "rw",
    "petrify.maintenance",
    "petrify.config_url=http://x/",
    "ds=nocloud;s=http://x/",
    "petrify.installer",
    "panic=0",
  ],
  ...[
    "firmware_class.path=/oem",
    "initrd=/x",
    '"systemd.unit=rescue.target"',
    "lsm=",
    "security=none",
    "selinux=0",
    "iommu.x=1 init=/x",
  ],
])
  test(`a sealed image does not boot with ${word}`, () => {
    assert.match(disk(word) ?? "nothing", /^has a word that a sealed image does not take: /);
  });

test("one that is served over the network takes no more words that start something", () => {
  for (const word of ["systemd.unit=rescue.target", "init=/bin/sh", "single"])
    assert.match(ram(word) ?? "nothing", /^has a word/, word);
});

for (const word of SEALED_WORDS)
  test(`a sealed image does not boot without ${word}`, () => {
    const line = `${IMAGE} ${LOADER}`.replace(` ${word}`, "");
    assert.equal(commandLineProblem(line, OWN), `lacks ${word}, which a sealed image needs`);
  });

test("a machine config may add what is known to start nothing", () => {
  for (const word of [
    "quiet",
    "nvme_core.io_timeout=30",
    "transparent_hugepage=never",
    "init_on_free=1",
    "systemd.log_level=debug",
  ])
    assert.equal(sealedArgProblem(word), undefined, word);
  for (const word of ["systemd.unit=x", "init_on_free=0", "nosuch", "sysctl.x=y", "module.sig_enforce=0"])
    assert.equal(sealedArgProblem(word), "is no word that a sealed image takes", word);
});
