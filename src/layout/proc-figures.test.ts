import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { parseCpuSeconds, parseLoadavg, parseMeminfo } from "./proc-figures.ts";

suite("figures of the kernel", () => {
  test("memory is in bytes", () => {
    const text =
      "MemTotal:        8121536 kB\nMemAvailable:    5120000 kB\nActive(anon):        12 kB\nHugePages_Total:       0\n";
    assert.deepEqual(parseMeminfo(text), { MemTotal: 8_316_452_864, MemAvailable: 5_242_880_000, "Active(anon)": 12_288 });
  });

  test("load is of three spans", () => assert.deepEqual(parseLoadavg("0.52 1.00 12.59 3/512 4711\n"), [0.52, 1, 12.59]));

  test("time of processors is in seconds, of all of them together", () => {
    const text = "cpu  1000 20 300 40000 50 0 7 0 0 0\ncpu0 500 10 150 20000 25 0 3 0 0 0\nintr 1\n";
    const all = { user: 10, nice: 0.2, system: 3, idle: 400, iowait: 0.5, irq: 0, softirq: 0.07, steal: 0 };
    assert.deepEqual(parseCpuSeconds(text), all);
    assert.deepEqual(parseCpuSeconds("cpu  100 0\n"), { user: 1, nice: 0 }, "an older kernel says less");
  });

  test("another text says nothing", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        parseMeminfo(text);
        parseCpuSeconds(text);
        parseLoadavg(text);
      }),
    );
    assert.equal(parseLoadavg("x"), undefined);
    assert.deepEqual([parseMeminfo("x"), parseCpuSeconds("x")], [{}, {}]);
  });
});
