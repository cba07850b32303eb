import type { ServerResponse } from 'node:http'

/** Path of requests that get their responses together: `/gather/KEY/TOTAL/INDEX`. */
export const GATHER = '/gather/'
/** Lifetime of a key in ms. No client uses one for longer. */
const KEY_LIFETIME = 60_000

interface Group {
  readonly indices: Set<string>
  readonly waiting: ServerResponse[]
}

const groups = new Map<string, Group>()

/** Delays the responses until `total` requests have arrived, so that each needs its own connection. */
export function gather(url: string, response: ServerResponse): void {
  const [key = '', total = '', index = ''] = url.slice(url.indexOf(GATHER) + GATHER.length).split('/')
  let group = groups.get(key)
  if (group === undefined) {
    group = { indices: new Set(), waiting: [] }
    groups.set(key, group)
    setTimeout(() => groups.delete(key), KEY_LIFETIME).unref()
  }
  group.indices.add(index)
  group.waiting.push(response)
  if (group.indices.size < Number(total)) return
  for (const one of group.waiting.splice(0)) one.end('gathered')
}
