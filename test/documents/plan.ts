/** How an example is run. Its own text is never changed but for its imports, and what is said here. */
export interface Plan {
  /** What it uses and leaves to the reader: without, it could not run. */
  needs?: string
  /** Code before it. */
  before?: string
  /** Code behind it, that shows what an example did which prints nothing itself, or ends what it began. */
  behind?: string
  /** A text of the example that stands for the fingerprint of the reader's own certificate authority. */
  placeholder?: string
  /** `fetch` is the runtime's own and not the library's. */
  runtimeFetch?: true
  /** It trusts the authority of the servers. */
  trusts?: true
  /** The lines of its output, one each. */
  prints: RegExp[]
  /** A line of its error output; without it there is none. */
  complains?: RegExp
  /** Why it ends with exit code 1. Without it, with 0. */
  fails?: string
  /** Why it prints something else than over undici. */
  differs?: string
}

/** Why an example is not run. */
export interface Omission {
  omitted: string
}

/** An example in its order under its heading: what comes first is how it is written, what follows are variants. */
export type Entry = readonly [Plan, ...Plan[]] | Omission

/** For each document and heading. */
export type Plans = Record<string, Record<string, readonly Entry[]>>
