/** How many calls may last at a time, whoever makes them: each keeps what its caller has not taken yet. */
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

export function limitStreams(most: number): Interceptor {
  let open = 0;
  return (next) => async (call) => {
    if (!call.stream) return await next(call);
    if (open >= most)
      throw new ConnectError(`${most} calls that last are answered already; try again later`, Code.ResourceExhausted);
    open++;
    // Of a call that is answered here, this is its end, however it ends.
    call.signal.addEventListener("abort", () => void open--, { once: true });
    return await next(call);
  };
}
