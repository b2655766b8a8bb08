/** The agent's answers, by the socket that it has for the API's own program. */
import { ENROL, type EnrolResult } from "../enrolment.ts";
import type { OperationNews } from "../operations/driver.ts";
import type { AgentStatus } from "../status.ts";
import { firstOf, type AskAgent } from "./ask-agent.ts";
import type { EnrolmentAnswers } from "./enrolment-service.ts";
import type { NodeAnswers } from "./node-service.ts";

export const localAnswers = (ask: AskAgent, version: string): NodeAnswers => ({
  version,
  status: async (signal) => (await firstOf(ask("GET", "/status", signal))) as AgentStatus,
  operation: (signal) => ask("GET", "/operation", signal) as AsyncIterable<OperationNews>,
});

export const enrolmentAnswers = (ask: AskAgent, version: string): EnrolmentAnswers => {
  const [method, url] = ENROL.split(" ") as ["POST", string];
  return {
    version,
    status: async (signal) => (await firstOf(ask("GET", "/status", signal))) as AgentStatus,
    enrol: async (request, signal) => (await firstOf(ask(method, url, signal, request))) as EnrolResult,
  };
};
