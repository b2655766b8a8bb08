import assert from "node:assert/strict";
import { once } from "node:events";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { desk, type Look } from "../../../tests/support/desk.ts";
import { until } from "../../../tests/support/until.ts";
import { AppError } from "../../core/error.ts";
import { fileExists, readText } from "../../host/files.ts";

const part = (data: string, packets: number, dropped = 0) => ({
  ...{ data: Buffer.from(data).toString("base64"), packets: String(packets), dropped: String(dropped) },
});

/** Somebody who may call a machine that answers so. */
async function oneMachine(look: Look) {
  const at = await desk({ "edge-7": look });
  return {
    ...at,
    pcap: async (args: readonly string[], signal?: AbortSignal) =>
      await at.petrify(["-n", "edge-7", "pcap", "-i", "eth0", ...args], signal ? { signal } : {}),
  };
}

suite("petrify -n NODE pcap", () => {
  test("asks for what the options say, as somebody, and writes what comes to a new file that only its owner may read", async () => {
    let asked: unknown;
    await using at = await oneMachine(async function* (_method, url, _signal, body, caller) {
      asked = { url, body, by: caller?.name };
      yield await Promise.resolve(part("head", 0));
      yield part("one", 1);
      yield { packets: "1", dropped: "2" };
    });
    const args = ["-f", "port 53", "-s", "96", "-c", "7", "--duration", "1min", "--with-api", "--promiscuous"];
    const { out, exitCode } = await at.pcap([...args, "-o", "a.pcap"]);
    assert.equal(exitCode, 0);
    assert.equal(out, "a.pcap: 1 packet; 2 more came faster than they could be sent\n");
    assert.deepEqual(asked, {
      url: "/look/CaptureService.Capture",
      body: {
        ...{ interface: "eth0", filter: "port 53", snaplen: 96, count: "7", duration: "60s", withApi: true, promiscuous: true },
      },
      by: "jo",
    });
    const file = join(at.cwd, "a.pcap");
    assert.equal(await readText(file), "headone");
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const { out: json } = await at.pcap(["-o", "b.pcap", "--json"]);
    assert.deepEqual(JSON.parse(json), { type: "result", value: { packets: 1, dropped: 2, file: "b.pcap" } });
    assert.deepEqual((asked as { body: unknown }).body, { interface: "eth0" });
  });

  test("ends by Ctrl-C, which is no failure: what has come is kept", async () => {
    const stop = new AbortController();
    await using at = await oneMachine(async function* (_method, _url, signal) {
      yield await Promise.resolve(part("head", 0));
      yield part("one", 1);
      const gone = once(signal, "abort");
      await until(async () => (await readText(join(at.cwd, "a.pcap")).catch(() => "")) === "headone");
      stop.abort(new AppError("INTERRUPTED", "interrupted"));
      await gone;
    });
    const { out, exitCode, err } = await at.pcap(["-o", "a.pcap"], stop.signal);
    assert.deepEqual([exitCode, out, err], [0, "a.pcap: 1 packet\n", ""]);
    assert.equal(await readText(join(at.cwd, "a.pcap")), "headone");
  });

  test("leaves no file of what never began, and a file alone that is there", async () => {
    await using at = await oneMachine(async function* () {
      yield* await Promise.reject<object[]>(new AppError("TOOL_MISSING", "the image has no tcpdump", { hint: "Add it." }));
    });
    const { exitCode, err } = await at.pcap(["-o", "a.pcap"]);
    assert.deepEqual([exitCode, err], [1, "error: the image has no tcpdump\nhint: Add it.\n"]);
    assert.equal(await fileExists(join(at.cwd, "a.pcap")), false);
    await using other = await oneMachine(async function* () {
      yield await Promise.resolve(part("head", 0));
    });
    await writeFile(join(other.cwd, "a.pcap"), "mine");
    assert.match((await other.pcap(["-o", "a.pcap"])).err, /a\.pcap is there already/);
    assert.equal(await readText(join(other.cwd, "a.pcap")), "mine");
    assert.match((await other.pcap(["-o", "none/a.pcap"])).err, /none\/a\.pcap cannot be written \(ENOENT\)/);
  });

  test("what cannot be meant is refused before anybody is asked", async () => {
    await using at = await oneMachine(() => assert.fail("nobody is asked"));
    for (const args of [["-s", "0"], ["-s", "262145"], ["-c", "x"], ["--duration", "13h"], ["--json"]])
      assert.equal((await at.pcap(args)).exitCode, 2, args.join(" "));
    for (const args of [
      ["-n", "a,b", "pcap", "-i", "eth0"],
      ["--all", "pcap", "-i", "eth0"],
      ["pcap", "-i", "eth0"],
      ["-n", "a", "pcap"],
    ])
      assert.equal((await at.petrify(args)).exitCode, 2, args.join(" "));
  });
});
