// As `agent`, where there is no shell: what comes is the body of an async function, and what it returns is the output.
import * as child from "node:child_process";
import * as fs from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

const AsyncFunction = (async () => {}).constructor;
const port = fs.openSync("/dev/virtio-ports/petrify.test", "r+");
/** Of a program: its status, and what it has written. */
function run(...argv) {
  const { status, stdout, stderr, error, signal } = child.spawnSync(argv[0], argv.slice(1), {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { status: status ?? -1, output: `${stdout ?? ""}${stderr ?? ""}${error?.code ?? signal ?? ""}` };
}
const say = (line) => fs.writeSync(port, `${line}\n`);

say("ready");
let rest = "";
for (;;) {
  const bytes = Buffer.alloc(65536);
  const length = await new Promise((resolve, reject) =>
    fs.read(port, bytes, 0, bytes.length, null, (error, n) => (error ? reject(error) : resolve(n))),
  );
  if (length === 0) await wait(100); // nobody is at the other end
  const lines = (rest + bytes.toString("latin1", 0, length)).split("\n");
  rest = lines.pop();
  for (const line of lines) {
    const [id, script] = line.split(" ");
    let status = 0;
    let output;
    try {
      const value = await new AsyncFunction("fs", "child", "run", "wait", Buffer.from(script, "base64").toString())(
        fs,
        child,
        run,
        wait,
      );
      output = typeof value === "string" ? value : JSON.stringify(value ?? null);
    } catch (error) {
      [status, output] = [1, String(error?.stack ?? error)];
    }
    say(`${id} ${status} ${Buffer.from(output).toString("base64")}`);
  }
}
