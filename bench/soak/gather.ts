import type { ServerResponse } from 'node:http'

/** Path of requests that are answered together: `/gather/KEY/TOTAL/INDEX`. */
export const GATHER = '/gather/'
/** ms that a key is known: longer than any client asks for it. */
const KNOWN = 60_000

interface Group {
  readonly indices: Set<string>
  readonly waiting: ServerResponse[]
}

const groups = new Map<string, Group>()

/** Answers none of `total` requests until all have come, so that each needs a connection of its own. */
export function gather(url: string, reply: ServerResponse): void {
  const [key = '', total = '', index = ''] = url.slice(url.indexOf(GATHER) + GATHER.length).split('/')
  let group = groups.get(key)
  if (group === undefined) {
    group = { indices: new Set(), waiting: [] }
    groups.set(key, group)
    setTimeout(() => groups.delete(key), KNOWN).unref()
  }
  group.indices.add(index)
  group.waiting.push(reply)
  if (group.indices.size < Number(total)) return
  for (const one of group.waiting.splice(0)) one.end('gathered')
}
