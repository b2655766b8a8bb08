import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { DEBUG_RIGHTS, grantedRights, type DebugRight } from "./debug-rights.ts";
import { debugUnitArguments } from "./debug-unit.ts";

const propertiesOf = (...asked: readonly DebugRight[]): string[] => {
  const argv = debugUnitArguments({
    name: "petrify-debug-1",
    rights: grantedRights(asked),
    plan: "/run/petrify/debug/1/plan.json",
    seconds: 60,
  });
  assert.deepEqual(argv.slice(-4), ["--", "/usr/lib/petrify/petrify-early", "contain", "/run/petrify/debug/1/plan.json"]);
  return argv.flatMap((word) => (word.startsWith("--property=") ? [word.slice("--property=".length)] : []));
};
const boundOf = (properties: readonly string[]): string[] | undefined =>
  properties
    .find((one) => one.startsWith("CapabilityBoundingSet="))
    ?.split("=")[1]!
    .split(" ");

suite("the unit of a debug container", () => {
  test("ends with what has started it and with its time, and has no more memory and processes than it is given, whatever its rights", () => {
    for (const right of DEBUG_RIGHTS)
      for (const line of [
        "BindsTo=petrify-debug.service",
        "After=petrify-debug.service",
        "RuntimeMaxSec=60",
        "MemoryMax=50%",
        "TasksMax=512",
        "PrivateMounts=yes",
      ])
        assert.ok(propertiesOf(right).includes(line), `${right}: ${line}`);
  });

  test("has no network, no device, a filter of system calls, and what it takes to make the container, unless a right says more", () => {
    const own = propertiesOf();
    for (const line of [
      "PrivateNetwork=yes",
      "DevicePolicy=closed",
      "NoNewPrivileges=yes",
      "RestrictNamespaces=mnt pid",
      "PrivateIPC=yes",
    ])
      assert.ok(own.includes(line), line);
    assert.ok(own.some((one) => one.startsWith("SystemCallFilter=@system-service")));
    for (const capability of ["CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_MODULE", "CAP_MKNOD", "CAP_SYS_RAWIO", "CAP_BPF"])
      assert.ok(!boundOf(own)!.includes(capability), capability);
  });

  for (const [right, capabilities, without] of [
    ["network", ["CAP_NET_ADMIN", "CAP_NET_RAW"], "PrivateNetwork=yes"],
    ["processes", ["CAP_SYS_PTRACE"], undefined],
    ["files", ["CAP_DAC_READ_SEARCH"], undefined],
    ["write", ["CAP_DAC_READ_SEARCH"], undefined],
    ["devices", ["CAP_MKNOD", "CAP_SYS_RAWIO"], "DevicePolicy=closed"],
  ] as const)
    test(`has with ${right} what that takes, and nothing else besides`, () => {
      const [own, given] = [propertiesOf(), propertiesOf(right)];
      assert.deepEqual(
        boundOf(given)!.filter((one) => !boundOf(own)!.includes(one)),
        capabilities,
      );
      const lost = own.filter((one) => !given.includes(one) && !one.startsWith("CapabilityBoundingSet="));
      assert.deepEqual(lost, without === undefined ? [] : [without]);
    });

  test("is the machine's root with all", () => {
    const all = propertiesOf("all");
    assert.equal(boundOf(all), undefined);
    for (const name of ["PrivateNetwork", "SystemCallFilter", "DevicePolicy", "NoNewPrivileges"])
      assert.ok(!all.some((one) => one.startsWith(name)), name);
  });
});
