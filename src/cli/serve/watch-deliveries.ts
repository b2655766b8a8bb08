import { formatSize, MiB, type Bytes } from "../../core/units.ts";
import type { Delivery, DeliveryWatch } from "../../host/serve-files.ts";
import type { CliContext } from "../context.ts";
import { rateMeter, rateText } from "../rate.ts";
import { tell } from "./tell.ts";

/** What takes long enough for people to wonder. */
const LARGE: Bytes = 8 * MiB;
/** Between two documents of progress with --json. */
const TELL_MS = 1000;

export interface Deliveries {
  readonly watch: (delivery: Delivery) => DeliveryWatch;
  /** Of those that have ended. */
  total(): { readonly requests: number; readonly clients: number; readonly bytes: Bytes };
}

/** Tells of every request: a line when it has ended, and of large files how far they are. */
export function watchDeliveries(context: CliContext): Deliveries {
  const { output, progress, clock, json } = context;
  const clients = new Set<string>();
  const total = { requests: 0, bytes: 0 };
  return {
    total: () => ({ ...total, clients: clients.size }),
    watch: (delivery) => {
      const started = clock();
      const path = printable(delivery.path);
      const { client, method, status, total: size } = delivery;
      const rate = rateMeter(clock);
      const large = size >= LARGE ? steps(progress, `${client} ${method} ${path} (${formatSize(size)})`) : undefined;
      let told = started;
      return {
        progress: (sent) => {
          large?.note(rateText(rate(sent, size)));
          if (!json || !large || clock() - told < TELL_MS) return;
          told = clock();
          const event = { type: "progress", client, path, ...rate(sent, size) };
          output.event(event);
        },
        ended: (sent, whole) => {
          clients.add(client);
          total.requests++;
          total.bytes += sent;
          large?.end(whole);
          const seconds = Math.round((clock() - started) / 100) / 10;
          const event = { type: "request", client, method, path, status, bytes: sent, whole, seconds };
          const amount = status < 300 ? `, ${formatSize(sent)}` : "";
          const human = `${client} ${method} ${path}: ${status}${amount}${whole ? "" : ", the client went before the end"}`;
          tell(context, event, large && whole ? undefined : human);
        },
      };
    },
  };
}

/** A step that is ended from outside. */
function steps(progress: CliContext["progress"], title: string): { note: (text: string) => void; end: (whole: boolean) => void } {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let note = (_text: string): void => {};
  progress
    .step(title, async (noteOfStep) => {
      note = noteOfStep;
      await promise;
    })
    .catch(() => {}); // what went wrong is said of the request
  return { note: (text) => note(text), end: (whole) => (whole ? resolve() : reject(new Error("cut off"))) };
}

/** A client chooses the path, and may put into it what a terminal would obey. */
const printable = (path: string): string => path.replaceAll(/[^\x21-\x7e]/g, "?").slice(0, 200);
