import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { encodeLine, type ChannelReply } from "../layout/agent-channel.ts";
import { agentOf, type VmAgent } from "./agent-client.ts";
import type { VmExit } from "./vm.ts";

function played() {
  const sent: unknown[] = [];
  const listeners: ((text: string) => void)[] = [];
  const { promise: exited, resolve: exit } = Promise.withResolvers<VmExit>();
  const agent: VmAgent = agentOf({
    port: () => ({
      onText: (listener) => void listeners.push(listener),
      send: (text) => void sent.push(JSON.parse(text)),
    }),
    exited,
  });
  const say = (text: string): void => listeners.forEach((listener) => listener(text));
  return { sent, agent, exit, say, reply: (...replies: ChannelReply[]) => say(replies.map(encodeLine).join("")) };
}
const ready = (boot: string): ChannelReply => ({ ready: { boot, running: "a", state: "proven" } });
const signal = new AbortController().signal;
const all = async (values: AsyncIterable<unknown>): Promise<unknown[]> => await Array.fromAsync(values);

suite("the agent of a VM", () => {
  test("is waited for once for each boot, and its new sessions are no boots", async () => {
    const { agent, reply } = played();
    reply(ready("1"), ready("1"), ready("2"));
    assert.equal((await agent.booted(signal)).boot, "1");
    assert.equal((await agent.booted(signal)).boot, "2");
    const third = agent.booted(signal);
    reply(ready("2"), ready("3"));
    assert.equal((await third).boot, "3");
  });

  test("answers several calls at a time, each with its own values", async () => {
    const { sent, agent, reply, say } = played();
    const one = all(agent.ask("GET /operation", signal));
    const two = all(agent.ask("POST /x", signal, { y: 1 }));
    say('half a line of the last boot\n{"id":1,"val');
    say('ue":"b"}\n');
    reply({ id: 0, value: "a1" }, { id: 1, end: true }, { id: 0, value: "a2" }, { id: 0, end: true });
    assert.deepEqual([await one, await two], [["a1", "a2"], ["b"]]);
    assert.deepEqual(sent, [
      { id: 0, call: "GET /operation" },
      { id: 1, call: "POST /x", body: { y: 1 } },
    ]);
  });

  test("reports its errors as they are", async () => {
    const { agent, reply } = played();
    const asked = all(agent.ask("GET /x", signal));
    reply({ id: 0, error: { code: "NO_SUCH_CALL", message: "no", hint: "look" } });
    await assert.rejects(asked, { code: "NO_SUCH_CALL", message: "no", hint: "look" });
  });

  test("whose boot ends before its answer is gone", async () => {
    const { agent, reply } = played();
    const asked = all(agent.ask("GET /x", signal));
    reply({ id: 0, value: 1 }, ready("2"));
    await assert.rejects(asked, { code: "AGENT_GONE" });
    assert.equal((await agent.booted(signal)).boot, "2");
  });

  test("is told when nobody wants its answer any more", async () => {
    const { sent, agent, reply } = played();
    const asked = agent.ask("GET /operation", signal);
    const first = asked.next();
    reply({ id: 0, value: 1 });
    await first;
    await asked.return();
    assert.deepEqual(sent.at(-1), { id: 0, cancel: true });
  });

  test("is not waited for beyond the signal, nor beyond the VM's end", async () => {
    const { sent, agent, exit } = played();
    const stop = new AbortController();
    const waiting = agent.booted(stop.signal);
    const asked = all(agent.ask("GET /x", stop.signal));
    stop.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    await assert.rejects(asked, /enough/);
    assert.deepEqual(sent.at(-1), { id: 0, cancel: true });
    const later = [agent.booted(signal), all(agent.ask("GET /x", signal))];
    exit({ reason: "guest-shutdown", code: 0 });
    for (const one of later) await assert.rejects(one, { code: "VM_ENDED", message: /guest-shutdown/ });
    await assert.rejects(agent.booted(signal), { code: "VM_ENDED" });
  });
});
