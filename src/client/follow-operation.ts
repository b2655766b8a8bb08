/** What becomes of an operation of a machine, over the restarts that it brings. docs/concepts/api.md */
import { AppError } from "../core/error.ts";
import { wait } from "../host/wait.ts";
import { ControlService, type OperationNews } from "../protocol/petrify/v1/control_pb.ts";
import type { FollowOperationResponse, Operation, OperationEnd } from "../protocol/petrify/v1/node_pb.ts";
import { unary, type NodeConnection } from "./open-node.ts";

/** How it has ended, or where it waits for somebody. */
export type Followed = { readonly ended: OperationEnd } | { readonly staged: Operation } | { readonly none: true };

export interface FollowMeans {
  /** As the caller knows the machine. */
  readonly node: string;
  /** Another connection to it. */
  readonly open: () => Promise<NodeConnection>;
  readonly told: (news: Operation | string) => void;
  readonly signal: AbortSignal;
  readonly limits?: { readonly pauseMs: number; readonly lostMs: number };
}

/** Between two looks for a machine that restarts; and how long one may be away before it is given up. */
const LIMITS = { pauseMs: 1000, lostMs: 15 * 60_000 };

/**
 * Follows it to its end. Whoever stops does not end it.
 *
 * @param first news of the call that has begun it
 * @throws AppError why it was refused; `NODE_LOST` where the machine does not come back, `OPERATION_FORGOTTEN`
 */
export async function followToEnd(
  first: AsyncIterable<OperationNews | FollowOperationResponse | undefined>,
  { node, open, told, signal, limits: { pauseMs, lostMs } = LIMITS }: FollowMeans,
): Promise<Followed> {
  let last: Operation | undefined;
  let isRestarting = false;
  const listen = async (news: typeof first): Promise<OperationEnd | undefined> => {
    for await (const value of news) {
      const { news: is } = value ?? {};
      if (is?.case === "ended") return is.value;
      if (is?.case === "now") last = is.value;
      if (is?.case === "restarting") isRestarting = true;
      if (is?.case) told(is.value);
    }
    return undefined;
  };
  /** Nothing where it is still under way. */
  const lookAgain = async (): Promise<OperationEnd | undefined> => {
    await using connection = await open();
    const { state } = await connection.client(ControlService).getOperation({ id: last!.id }, unary(signal));
    if (state.case === "ended") return state.value;
    if (state.case === undefined) {
      throw new AppError("OPERATION_FORGOTTEN", `${node} knows nothing any more of what it was told to do`, {
        hint: `petrify -n ${node} audit show`,
      });
    }
    isRestarting = false;
    return await listen(connection.node.followOperation({}, { signal }));
  };

  const ended = await listen(first).catch((error: unknown) => {
    signal.throwIfAborted();
    if (!last) throw error;
    isRestarting = true; // or its line is down, which looks the same from here
    return undefined;
  });
  if (ended) return { ended };
  if (!last) return { none: true };
  for (let seen = performance.now(); ;) {
    if (!isRestarting) return { staged: last };
    await wait(pauseMs, signal);
    try {
      const found = await lookAgain();
      if (found) return { ended: found };
      seen = performance.now();
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof AppError && error.code === "OPERATION_FORGOTTEN") throw error;
      isRestarting = true;
      if (performance.now() - seen > lostMs) {
        throw new AppError("NODE_LOST", `${node} has not come back: ${(error as Error).message}`, {
          hint: "Its console says more; it goes back by itself where a new image does not work.",
          cause: error,
        });
      }
    }
  }
}

/** Until the machine answers from another boot than this one. @param boot the kernel's id of it @throws AppError `NODE_LOST` */
export async function untilRestarted(
  boot: string,
  { node, open, signal, limits: { pauseMs, lostMs } = LIMITS }: Omit<FollowMeans, "told">,
): Promise<void> {
  for (const begun = performance.now(); ;) {
    await wait(pauseMs, signal);
    try {
      await using connection = await open();
      const status = await connection.node.status({}, unary(signal));
      if (status.boot !== undefined && status.boot.id !== boot) return;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof AppError && error.code === "NODE_KEY_DIFFERS") throw error;
    }
    if (performance.now() - begun > lostMs)
      throw new AppError("NODE_LOST", `${node} has not come back`, { hint: "Its console says more." });
  }
}
