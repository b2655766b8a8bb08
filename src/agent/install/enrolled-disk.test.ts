import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AppError } from "../../core/error.ts";
import type { InstallPlan, InstallRequest, InstallStatus } from "../../layout/install.ts";
import type { ConfigResult } from "../config/apply-config.ts";
import type { ConfigDocument } from "../config/generation-files.ts";
import { enrolmentInMemory } from "./enrolled-disk.ts";

const { signal } = new AbortController();
const API = { "ca.pem": "authority", "node.pem": "certificate", epoch: "1\n" };
const document = (text: string, origin = "machine.yaml"): ConfigDocument => ({ origin, text: `#cloud-config\n${text}\n` });
const INSTALL = document("hostname: edge-7\ninstall: { device: auto }");

function desk({
  judged,
  refused,
  status,
  fails,
}: {
  readonly judged?: Error;
  readonly refused?: Error;
  readonly status?: InstallStatus;
  readonly fails?: Error;
} = {}) {
  const planned: unknown[] = [];
  const begun: InstallRequest[] = [];
  const said: string[] = [];
  const unless = async <T>(failure: Error | undefined, value: T): Promise<T> => {
    if (failure) throw failure;
    return await Promise.resolve(value);
  };
  const memory = enrolmentInMemory({
    installer: {
      status: () => status,
      plan: async (request) => {
        planned.push(request);
        return await unless(refused, { disk: { target: { path: "/dev/vda" } } } as InstallPlan);
      },
      install: async function* (request) {
        begun.push(request);
        yield await unless(fails, { phase: "writing", done: 1, total: 2 } as const);
      },
    },
    config: {
      apply: async ({ mode }) => {
        assert.equal(mode, "dry-run");
        return await unless(judged, {} as ConfigResult);
      },
    },
    key: async () => await Promise.resolve("key"),
    log: (level, line) => said.push(`${level}: ${line}`),
  });
  return { memory, planned, begun, said };
}
const settle = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

suite("an owner of a system that runs from memory", () => {
  test("gets it installed to the disk that the config names, with the key by which it is known, and as its own", async () => {
    const { memory, planned, begun, said } = desk();
    assert.equal(await memory.install([INSTALL], API, signal), "/dev/vda");
    await settle();
    assert.deepEqual(planned, [{ device: "auto", wipe: false }]);
    const files = [
      { path: "identity/node-key.pem", text: "key" },
      { path: "machine.yaml", text: INSTALL.text },
      { path: "petrify/api/ca.pem", text: "authority" },
      { path: "petrify/api/node.pem", text: "certificate" },
      { path: "petrify/api/epoch", text: "1\n" },
    ];
    assert.deepEqual(begun, [{ device: "/dev/vda", wipe: false, after: "reboot", files }]);
    assert.deepEqual(said, []);
  });

  test("may have several documents: of what to install the last word counts, and all are there in their order", async () => {
    const { memory, planned, begun } = desk();
    const more = document("install: { device: /dev/sdb, wipe: true, after: poweroff }");
    await memory.install([INSTALL, more], API, signal);
    await settle();
    assert.deepEqual(planned, [{ device: "/dev/sdb", wipe: true }]);
    const [request] = begun;
    assert.equal(request?.after, "poweroff");
    assert.deepEqual(
      request.files?.filter(({ path }) => path.startsWith("machine")),
      [
        { path: "machine-001.yaml", text: INSTALL.text },
        { path: "machine-002.yaml", text: more.text },
      ],
    );
  });

  test("without the name of a disk gets nothing installed", async () => {
    const { memory, planned } = desk();
    for (const documents of [[], [document("hostname: edge-7")]])
      assert.equal(await memory.install(documents, API, signal), undefined);
    assert.deepEqual(planned, []);
  });

  const refusals: readonly (readonly [string, Parameters<typeof desk>[0], string, ConfigDocument?])[] = [
    ["a disk that holds data", { refused: new AppError("DEVICE_HOLDS_DATA", "it holds data") }, "DEVICE_HOLDS_DATA"],
    ["a config that the image cannot do", { judged: new AppError("CONFIG_UNSUPPORTED", "no such zone") }, "CONFIG_UNSUPPORTED"],
    ["what is no config", {}, "MACHINE_CONFIG_INVALID", document("install: { disk: auto }")],
    [
      "somebody else, once it is installed",
      { status: { is: "done", disk: "/dev/vda", after: "stay", text: "it is installed" } },
      "ENROLLED",
    ],
  ];
  for (const [what, how, code, given = INSTALL] of refusals) {
    test(`refuses ${what}, before anything is written`, async () => {
      const { memory, begun } = desk(how);
      await assert.rejects(memory.install([given], API, signal), { code });
      await settle();
      assert.deepEqual(begun, []);
    });
  }

  test("may give it kernel arguments, which this boot has no loader for", async () => {
    const { memory, begun } = desk({ judged: new AppError("KERNEL_ARGS_UNSUPPORTED", "it runs from memory") });
    await memory.install([INSTALL], API, signal);
    await settle();
    assert.equal(begun.length, 1);
  });

  test("reads on its console why it is not installed", async () => {
    const { memory, said } = desk({ fails: new Error("the disk gave an error") });
    await memory.install([INSTALL], API, signal);
    await settle();
    assert.deepEqual(said, ["alarm: this machine has no owner yet, for it cannot be installed: the disk gave an error"]);
  });
});
