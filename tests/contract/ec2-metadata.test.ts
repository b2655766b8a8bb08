import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { writeText } from "../../src/host/files.ts";
import { run } from "../../src/host/run.ts";
import { encodeRunFacts } from "../../src/layout/run-facts.ts";
import type { Ec2Look } from "../support/ec2-machine.ts";
import { EC2_KEY, EC2_VALUES } from "../support/ec2-service.ts";
import { networkNamespace, withoutNamespaces } from "../support/namespace.ts";

const MACHINE = join(import.meta.dirname, "../support/ec2-machine.ts");

test(
  "a machine of EC2 has its config of the address where every one has it, and keeps it when nobody answers there",
  { skip: await withoutNamespaces() },
  async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-ec2-"));
    const files = {
      "run/petrify/boot.json": encodeRunFacts({
        slot: "a",
        file: "/a.img",
        rootHash: "",
        partitions: {},
        notes: [],
        reached: {},
      }),
      "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
      "proc/cmdline": "quiet",
      "sys/class/dmi/id/sys_vendor": "Amazon EC2\n",
    };
    for (const [path, text] of Object.entries(files)) await writeText(join(folder.path, path), text);
    await using network = await networkNamespace();
    await network.ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth1");
    await network.ip("address", "add", "169.254.169.254/32", "dev", "eth0");
    await network.ip("link", "set", "eth0", "up");

    const { stdout } = await run([...network.prefix, process.execPath, MACHINE, folder.path], { timeoutMs: 60_000 });
    const looks = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Ec2Look);
    const [first, second, ...later] = looks;
    assert.deepEqual(first!.problems, []);
    assert.deepEqual(
      first!.documents.map(({ origin }) => origin),
      ["ec2/meta-data", "ec2/user-data"],
    );
    const [meta, user] = first!.documents;
    for (const part of ["i-0123456789abcdef0", '"hostname": "ip-10-0-0-1"', '"fqdn": "ip-10-0-0-1.ec2.internal"', EC2_KEY])
      assert.ok(meta!.text.includes(part), part);
    assert.equal(user!.text, EC2_VALUES["/latest/user-data"]);
    assert.deepEqual(second, first, "with sessions or without, it says the same");
    assert.equal(later.length, 2);
    for (const look of later) {
      const { problems, ...rest } = look;
      assert.deepEqual(rest, {
        ...rest,
        is: "kept",
        documents: first!.documents,
        instance: "i-0123456789abcdef0",
        waitsForNetwork: false,
      });
      assert.match(problems.join(), /^the metadata service of EC2 cannot be read: /);
    }
  },
);
