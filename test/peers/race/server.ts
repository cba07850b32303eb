import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { nginx } from '../../servers/nginx.js'
import { freePort, newFolder } from '../../servers/program.js'

/** How a server ends connections. */
export interface Habit {
  /** ms */
  keepAliveTimeout: number
  keepAliveRequests: number
}

/** nginx with a port for each habit. */
export interface RaceServer {
  readonly ports: readonly number[]
  /** Ends it. Resolves with how often each request was executed, by method and target. */
  stop(): Promise<Map<string, number>>
}

export async function raceServer(habits: readonly Habit[]): Promise<RaceServer> {
  const ports: number[] = []
  for (const _ of habits) ports.push(await freePort())
  // Outside of nginx's own folder, which goes with it.
  const folder = newFolder()
  const log = join(folder, 'executed.log')
  const servers = habits.map(
    ({ keepAliveTimeout, keepAliveRequests }, index) => `
      server {
        listen 127.0.0.1:${ports[index]} backlog=4096;
        keepalive_timeout ${keepAliveTimeout}ms; keepalive_requests ${keepAliveRequests};
        add_header x-target $request_uri always;
        location / { default_type text/plain; return 200 "$request_method $request_uri"; }
      }`,
  )
  const program = await nginx({
    ports,
    http: `
      log_format executed '$request_method $request_uri $status';
      access_log ${log} executed;
      client_body_in_single_buffer on;
      ${servers.join('\n')}`,
  })
  const stop = async () => {
    await program.stop()
    const executed = new Map<string, number>()
    for (const line of readFileSync(log, 'utf8').split('\n')) {
      const [method, target, status] = line.split(' ')
      if (status === '200') executed.set(`${method} ${target}`, (executed.get(`${method} ${target}`) ?? 0) + 1)
    }
    rmSync(folder, { recursive: true, force: true })
    return executed
  }
  return { ports, stop }
}
