/**
 * @portable What the agent and whoever runs its machine say to each other over a virtio-serial port: one JSON document a line, both ways.
 * docs/concepts/agent.md
 */
import { AppError, type ErrorDocument } from "../core/error.ts";
import type { BootTarget } from "./slots.ts";

/** Name of the port; in the guest `/sys/class/virtio-ports/NAME/name` has it. */
export const AGENT_PORT = "petrify.agent";
/** Characters of a line that asks: an image's place, a word or two. */
export const MAX_REQUEST = 64 * 1024;

/** `call` is method and path, as on the agent's socket: `GET /status`. The id is the asker's, and free again once the call has ended. */
export type ChannelRequest =
  | { readonly id: number; readonly call: string; readonly body?: unknown }
  | { readonly id: number; readonly cancel: true };

/** What runs at the other end. */
export interface ChannelReady {
  /** The kernel's boot id. */
  readonly boot: string;
  readonly running: BootTarget | "ram";
  /** Of the slot that runs, as in the status. */
  readonly state: string;
}
export type ChannelReply =
  /** The first line of a session: what was asked before gets no answer any more. */
  | { readonly ready: ChannelReady }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly end: true }
  /** The call's end, too. Without an id: of a line that was not understood. */
  | { readonly id?: number; readonly error: ErrorDocument };

/** @throws AppError `REQUEST_INVALID` */
export function decodeRequest(line: string): ChannelRequest {
  const value = objectOf(line);
  if (!value) throw invalid("it is no JSON object");
  const { id, call, cancel, ...rest } = value;
  if (!isId(id)) throw invalid("id: a whole number from 0 on");
  const unknown = Object.keys(rest).find((key) => key !== "body" || cancel !== undefined);
  if (unknown !== undefined) throw invalid(`there is no ${unknown}`);
  if (cancel === true && call === undefined) return { id, cancel };
  if (typeof call !== "string" || cancel !== undefined) throw invalid("call: a method and a path; or cancel: true");
  return { id, call, ...("body" in rest ? { body: rest["body"] } : {}) };
}

/** @returns nothing for a line that is none: of a session that was cut off, its first half */
export function decodeReply(line: string): ChannelReply | undefined {
  const { id, ready, error, end, ...rest } = objectOf(line) ?? {};
  if (isReady(ready)) return { ready };
  if (isError(error)) return { ...(isId(id) ? { id } : {}), error };
  if (!isId(id)) return undefined;
  if (end === true) return { id, end };
  return "value" in rest ? { id, value: rest["value"] } : undefined;
}

/** A line of the channel, with its end. */
export const encodeLine = (document: ChannelRequest | ChannelReply): string => `${JSON.stringify(document)}\n`;

const isId = (id: unknown): id is number => Number.isSafeInteger(id) && (id as number) >= 0;
const isError = (value: unknown): value is ErrorDocument => hasTexts(value, ["code", "message"]);
const isReady = (value: unknown): value is ChannelReady => hasTexts(value, ["boot", "running", "state"]);
const hasTexts = (value: unknown, keys: readonly string[]): boolean =>
  isObject(value) && keys.every((key) => typeof value[key] === "string");
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function objectOf(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const invalid = (why: string): AppError => new AppError("REQUEST_INVALID", `the request is not understood: ${why}`);
