/** Where a program of petrify says what happens: its standard error, which the journal gets, and events as entries of the journal with fields of their own. */
import { eventFields, type MachineEvent } from "../layout/events.ts";
import { journalMessage } from "../layout/journal-message.ts";
import { openDatagrams } from "./unix-datagrams.ts";

/** Source: systemd, "Native Journal Protocol" */
const JOURNAL = "/run/systemd/journal/socket";

/** @param priority of syslog(3) */
export type EventLog = (priority: number, line: string, event?: MachineEvent) => void;

/**
 * An event that the journal does not take, or that there is no journal for, is a line like any other.
 *
 * @param identifier as the unit has it
 */
export function openEventLog(
  identifier: string,
  { write, journal = JOURNAL }: { readonly write: (text: string) => void; readonly journal?: string },
): EventLog {
  let send: ReturnType<typeof openDatagrams> | undefined;
  return (priority, line, event) => {
    if (event) {
      // Whoever says nothing loads nothing. A journal that hangs holds nobody up.
      send ??= openDatagrams(journal, { waits: false });
      const entry = [
        ...([
          ["MESSAGE", line],
          ["PRIORITY", String(priority)],
          ["SYSLOG_IDENTIFIER", identifier],
        ] as const),
        ...eventFields(event),
      ] as const;
      if (send?.(journalMessage(new Map(entry)))) return;
    }
    write(`<${priority}>${line}\n`);
  };
}
