import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { kernelOf } from "../../src/vm/bootable.ts";
import { bootProbe, chooseAccelerator } from "../../src/vm/kvm.ts";
import { takeCore } from "../support/turns.ts";
import { inTurn, oneOf } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";

suite("the choice between KVM and software emulation", { skip: inTurn(0) }, () => {
  for (const what of oneOf(["image", "disk"] as const)) {
    test(`the kernel of the ${what} reaches the probe's own program where kernels run`, async () => {
      const made = await fixture();
      await using folder = await temporary();
      const kernel = await kernelOf(made.host.tools, made[what], folder.path);
      assert.ok(kernel);
      await using _ = await takeCore();
      await bootProbe({ ...made.host, folder: folder.path }, kernel, "tcg");
    });
  }

  test("without /dev/kvm there is nothing to try", async () => {
    const { host } = await fixture();
    const none = { ...host, caller: { ...host.caller, devices: [] } };
    const choice = await chooseAccelerator(none, async () => assert.fail("no kernel is needed"));
    assert.deepEqual(choice, { accelerator: "tcg", reason: "this machine has no /dev/kvm" });
  });

  test("a verdict is kept: the next choice needs no kernel", async (t) => {
    const { host, image } = await fixture();
    if (!host.caller.devices.includes("kvm")) return t.skip("this machine has no /dev/kvm");
    await using folder = await temporary();
    await using _ = await takeCore();
    const own = { ...host, folder: folder.path };
    const first = await chooseAccelerator(own, async () => await kernelOf(host.tools, image, folder.path));
    if (first.reason.includes("may not open")) return t.skip(first.reason);
    assert.deepEqual(await chooseAccelerator(own, async () => assert.fail("the verdict is known")), first);
  });
});

async function temporary(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "petrify-kvm-"));
  return { path, [Symbol.asyncDispose]: async () => await rm(path, { recursive: true }) };
}
