import type { Random } from './random.js'

/**
 * What a seed tries beyond an ordinary run. The first five test the contracts of `lib/README.md`:
 * - `memory`: request pieces are overwritten once the library asked for the next one or reported them as sent; response
 *   chunks are overwritten, transferred or kept and compared by their receiver.
 * - `framing`: bodies on every method, bodies sent behind responses that must have none, CR LF between messages.
 * - `userCode`: code of the user throws and calls back into the library wherever it is called.
 * - `foreign`: pools with members that are composed, of another library, or the same client twice.
 * - `connectors`: connectors that read first, wrap, pause, answer twice, or return sockets that can not be used.
 * - `silentClose`: servers that close behind an answer without announcing it, and do nothing else wrong.
 * - `interceptors`: requests through composed dispatchers.
 * - `sources`: bodies of every kind that is documented, a FormData and a server's incoming message included; each that was
 *   given is closed or read to its end.
 * - `methods`: requests by `request`, `stream` and `pipeline`.
 * - `fetch`: requests by the `fetch` of the runtime.
 * - `timeouts`: requests with a `timeouts.total`, which all end in time; some of their sources stall.
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

/** @throws {Error} an unknown name */
export function parseFeatures(names: string): Feature[] {
  if (names === 'all') return [...FEATURES]
  const chosen = names.split(',').filter((name) => name !== '' && name !== 'none')
  for (const name of chosen) {
    if (!FEATURES.includes(name as Feature)) throw new Error(`--features: one of ${FEATURES.join(', ')}, all, none`)
  }
  return chosen as Feature[]
}
