/** @portable Values that several have for one who takes them: each waits until its own was taken. */

export interface Handover<T> {
  /** Resolves when the value was taken, or nobody takes any more. */
  readonly give: (value: T) => Promise<void>;
  /** No more comes, after what waits to be taken; with an error, it ends with that. */
  readonly end: (error?: unknown) => void;
  /** By one at a time. Who takes no more lets go of all who wait. */
  readonly taken: () => AsyncGenerator<T, void>;
}

export function handover<T>(): Handover<T> {
  const waiting: { readonly value: T; readonly done: () => void }[] = [];
  let isClosed = false;
  let end: { readonly error?: unknown } | undefined;
  let wake = (): void => {};
  return {
    give: async (value) => {
      if (isClosed || end) return;
      await new Promise<void>((done) => {
        waiting.push({ value, done });
        wake();
      });
    },
    end: (error) => {
      end ??= error === undefined ? {} : { error };
      wake();
    },
    taken: async function* () {
      try {
        for (;;) {
          const next = waiting.shift();
          if (next) {
            next.done();
            yield next.value;
          } else if (end) {
            if ("error" in end) throw end.error;
            return;
          } else await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        isClosed = true;
        for (const { done } of waiting.splice(0)) done();
      }
    },
  };
}
