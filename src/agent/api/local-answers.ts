/** What the machine's own programs answer, by the sockets that they have for the API's. */
import { lookPath } from "../look/call.ts";
import { ENROL, type EnrolResult } from "../enrolment.ts";
import type { OperationNews } from "../operations/driver.ts";
import type { AgentStatus } from "../status.ts";
import { firstOf, type AskProgram } from "./ask-program.ts";
import type { EnrolmentAnswers } from "./enrolment-service.ts";
import type { NodeAnswers } from "./node-service.ts";

export const localAnswers = (ask: AskProgram, look: AskProgram, version: string): NodeAnswers => ({
  version,
  // The one thing that petrify-look cannot find out: the bus of the system knows nobody who is in no list of its users.
  look: (method, url, signal, body, caller) =>
    url === lookPath("SystemService.Services") ? ask("GET", "/services", signal) : look(method, url, signal, body, caller),
  status: async (signal) => (await firstOf(ask("GET", "/status", signal))) as AgentStatus,
  operation: (signal) => ask("GET", "/operation", signal) as AsyncIterable<OperationNews>,
});

export const enrolmentAnswers = (ask: AskProgram, version: string): EnrolmentAnswers => {
  const [method, url] = ENROL.split(" ") as ["POST", string];
  return {
    version,
    status: async (signal) => (await firstOf(ask("GET", "/status", signal))) as AgentStatus,
    enrol: async (request, signal) => (await firstOf(ask(method, url, signal, request))) as EnrolResult,
  };
};
