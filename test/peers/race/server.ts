import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { nginx } from '../../servers/nginx.js'
import { freePort, newFolder } from '../../servers/program.js'

/** How a server closes connections. */
export interface Habit {
  /** ms */
  keepAliveTimeout: number
  keepAliveRequests: number
}

/** Starts nginx with one port for each way to close connections. */
export interface RaceServer {
  readonly ports: readonly number[]
  /** Stops nginx. Resolves with the number of executions by method and target. */
  stop(): Promise<Map<string, number>>
}

export async function raceServer(habits: readonly Habit[]): Promise<RaceServer> {
  const ports: number[] = []
  for (const _ of habits) ports.push(await freePort())
  // Outside of nginx's own folder, which is removed when it stops.
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
