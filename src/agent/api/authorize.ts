/** Lets a call through whose caller may make it. */
import { Code, ConnectError, createContextKey, type HandlerContext } from "@connectrpc/connect";
import { includesRole, type Identity } from "../../pki/identity.ts";
import { CODE_HEADER } from "./errors.ts";
import { METHOD_ROLES, OF_AUTHORITY, WITHOUT_OWNER, type MethodRole } from "./methods.ts";

/** Who is at the other end of a connection. */
export interface Caller extends Identity {
  /** Of its certificate, in hexadecimal digits. */
  readonly serial: string;
  readonly address: string;
  /** Beginning and end of its certificate, in seconds since 1970. */
  readonly from: number;
  readonly until: number;
}
/** Of a call; absent where nobody knows who makes it. */
export const CALLER = createContextKey<Caller | undefined>(undefined);

/** Before anything of a request is read but its head. @throws ConnectError for a call that is not made */
export type RequestGate = (call: Pick<HandlerContext, "service" | "method" | "values">) => void;

/** @param now seconds since 1970 @param denied a call that is not made */
export function authorize(now: () => number, denied: (caller: string, what: string) => void): RequestGate {
  return ({ service, method: { name }, values }) => {
    const method = `${service.typeName}.${name}`;
    const caller = values.get(CALLER);
    const refusal = refusalOf(caller, method, now());
    if (!refusal) return;
    denied(caller?.name ?? "somebody", `${method}: ${refusal.rawMessage}`);
    throw refusal;
  };
}

/** For a machine without an owner: whoever calls it may call what is for that, and nothing else. */
export const strangersOnly: RequestGate = ({ service, method: { name } }) => {
  const method = `${service.typeName}.${name}`;
  if (Object.hasOwn(METHOD_ROLES, method) && METHOD_ROLES[method] === WITHOUT_OWNER) return;
  throw new ConnectError("this machine has no owner yet", Code.PermissionDenied);
};

/** Nothing for a call that may be made. */
export function refusalOf(caller: Caller | undefined, method: string, now: number): ConnectError | undefined {
  return refusalFor(caller, Object.hasOwn(METHOD_ROLES, method) ? METHOD_ROLES[method] : undefined, now);
}

/** Who knows what time it is here can come with a certificate of that time: every answer says it. Source: RFC 9110, section 6.6.1 (Date) */
function tooEarly({ name, from }: Caller, now: number): ConnectError {
  const [here, begin] = [now, from].map((time) => new Date(Math.floor(time) * 1000).toISOString());
  const message = `the clock of this machine says ${here}, and the certificate of ${name} begins ${begin}`;
  return new ConnectError(message, Code.FailedPrecondition, { [CODE_HEADER]: "NODE_CLOCK_NOT_SET" });
}

/** @param needed nothing for what nobody may do @param now seconds since 1970 */
export function refusalFor(caller: Caller | undefined, needed: MethodRole | undefined, now: number): ConnectError | undefined {
  if (!caller) return new ConnectError("nobody knows who you are", Code.Unauthenticated);
  if (now < caller.from) return tooEarly(caller, now);
  // A connection lives longer than a certificate may.
  if (now >= caller.until) return new ConnectError(`the certificate of ${caller.name} has expired`, Code.Unauthenticated);
  if (!needed || needed === OF_AUTHORITY) return new ConnectError("nobody may call this", Code.PermissionDenied);
  if (needed === WITHOUT_OWNER) return new ConnectError("this machine has an owner already", Code.PermissionDenied);
  if (includesRole(caller.role, needed)) return undefined;
  return new ConnectError(`${caller.name} is ${caller.role}, and this takes ${needed}`, Code.PermissionDenied);
}
