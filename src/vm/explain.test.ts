import assert from "node:assert/strict";
import { test } from "node:test";
import { explainQemu } from "./explain.ts";

/** As QEMU 10.0 writes them. */
const cases = [
  {
    output:
      "qemu-system-x86_64: -netdev user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:22-:22: Could not set up host forwarding rule 'tcp:127.0.0.1:22-:22'\n",
    code: "PORT_IN_USE",
    message: /port 22 /,
  },
  {
    output: "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory\n",
    code: "MEMORY_INSUFFICIENT",
    message: /memory/,
  },
  {
    output: 'qemu-system-x86_64: -blockdev {}: Failed to get "write" lock\nIs another process using the image [/vm/disk0]?\n',
    code: "DISK_IN_USE",
    message: /in use/,
  },
  {
    output: "noise\nqemu-system-x86_64: -device x: 'x' is not a valid device model name\n",
    code: "QEMU_FAILED",
    message: /^QEMU did not start: -device x: 'x' is/,
  },
  { output: "", code: "QEMU_FAILED", message: /^QEMU did not start$/ },
] as const;
for (const { output, code, message } of cases) {
  test(`${JSON.stringify(output.split("\n").at(-2) ?? "")} is ${code}`, () => {
    const error = explainQemu(output);
    assert.equal(error.code, code);
    assert.match(error.message, message);
  });
}
