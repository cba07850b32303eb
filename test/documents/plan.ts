/** How an example is run. Its text is not changed, except for imports and the changes defined here. */
export interface Plan {
  /** Definitions that the example uses and leaves to the reader. */
  needs?: string
  /** Code to run before it. */
  before?: string
  /** Code to run after it: prints the effect of an example without output, or closes what it opened. */
  behind?: string
  /** Placeholder in the example for the fingerprint of the CA. */
  placeholder?: string
  /** Whether `fetch` is the runtime's instead of the library's. */
  runtimeFetch?: true
  /** Whether it trusts the CA of the servers. */
  trusts?: true
  /** Patterns of its output, one for each line. */
  prints: RegExp[]
  /** Pattern of its error output. Default: none. */
  printsError?: RegExp
  /** Why it exits with code 1. Default: it exits with 0. */
  fails?: string
  /** Why its output differs from that over undici. */
  differs?: string
}

/** Reason why an example is not run. */
export interface Omission {
  omitted: string
}

/** Plans of one example: the first runs it as documented, the others are variants. */
export type Entry = readonly [Plan, ...Plan[]] | Omission

/** Plans by document and heading. */
export type Plans = Record<string, Record<string, readonly Entry[]>>
