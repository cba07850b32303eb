import { BalancedPool, type Dispatcher, Pool, RoundRobinPool } from 'undici'

const upstreams = ['http://a.example', 'http://b.example']
const pool = new BalancedPool(upstreams, { connections: 2, factory: (origin, opts) => new Pool(origin, opts) })
const options: RoundRobinPool.Options = { connections: 4, clientTtl: 60_000, pipelining: 2 }

export function replace(pool: BalancedPool, from: string | URL, to: URL): string[] {
  pool.removeUpstream(from).addUpstream(to).addUpstream('http://c.example')
  const added: Pool | undefined = pool.getUpstream(to)
  if (added !== undefined && added.stats.queued > 0) added.closed.valueOf()
  return pool.upstreams.map((upstream) => upstream.toUpperCase())
}

export const several: Dispatcher[] = [
  pool,
  new BalancedPool('http://a.example'),
  new BalancedPool(new URL('http://a.example')),
  new BalancedPool([new URL('http://a.example')]),
  new RoundRobinPool('http://a.example', options),
  new RoundRobinPool(new URL('http://a.example')),
]

export async function spread(dispatcher: RoundRobinPool, count: number): Promise<number[]> {
  const answers = await Promise.all(
    Array.from({ length: count }, () => dispatcher.request({ path: '/', method: 'GET' })),
  )
  await Promise.all(answers.map(({ body }) => body.dump()))
  const { socket } = await dispatcher.connect({ path: 'x:1' })
  socket.destroy()
  return answers.map(({ statusCode }) => statusCode)
}

// @ts-expect-error: an upstream is an origin
pool.addUpstream(80)
// @ts-expect-error: a pool is of one origin
export const wrong = new RoundRobinPool(upstreams)
