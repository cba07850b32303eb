import type { Random } from './random.js'

/**
 * Features that a seed tests beyond an ordinary run. The first five test the contracts of `lib/README.md`:
 * - `memory`: request chunks are overwritten once the library has requested the next one or reported them as sent; response chunks
 *   are overwritten, transferred, or kept and compared by their receiver.
 * - `framing`: bodies on every method, bodies sent behind responses that must have none, CR LF between messages.
 * - `userCode`: user code throws and calls the library wherever it is called.
 * - `foreign`: pools with members that are composed, of another library, or the same client twice.
 * - `connectors`: connectors that read first, wrap, pause, call back twice, or return unusable sockets.
 * - `silentClose`: servers that close after a response without announcing it, and otherwise behave.
 * - `interceptors`: requests through composed dispatchers.
 * - `sources`: bodies of every documented kind, FormData and a server's incoming message included; each is closed or completely read.
 * - `methods`: requests by `request`, `stream` and `pipeline`.
 * - `fetch`: requests by the `fetch` of the runtime.
 * - `timeouts`: requests with `timeouts.total`, which all end in time; some of their sources stall.
 */
export const FEATURES = [
  'memory',
  'framing',
  'userCode',
  'foreign',
  'connectors',
  'silentClose',
  'interceptors',
  'sources',
  'methods',
  'timeouts',
  'fetch',
] as const

export type Feature = (typeof FEATURES)[number]
export type Features = Readonly<Record<Feature, boolean>>

/** Features that are on by default. */
export const ENABLED: readonly Feature[] = FEATURES

/** Each feature of `enabled` is on for half of the seeds. */
export function drawFeatures(random: Random, enabled: readonly Feature[]): Features {
  const drawn = FEATURES.map((feature) => [feature, random.chance(0.5) && enabled.includes(feature)] as const)
  return Object.fromEntries(drawn) as Features
}

/** Parses feature names. @throws {Error} For an unknown name. */
export function parseFeatures(names: string): Feature[] {
  if (names === 'all') return [...FEATURES]
  const chosen = names.split(',').filter((name) => name !== '' && name !== 'none')
  for (const name of chosen) {
    if (!FEATURES.includes(name as Feature)) throw new Error(`--features: one of ${FEATURES.join(', ')}, all, none`)
  }
  return chosen as Feature[]
}
