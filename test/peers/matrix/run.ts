import { randomBytes } from 'node:crypto'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { authority, clientIdentity, serverIdentity } from '../../servers/certificates.js'
import { newFolder } from '../../servers/program.js'
import { connections } from './cases/connections.js'
import { failures } from './cases/failures.js'
import { messages } from './cases/messages.js'
import { secure } from './cases/secured.js'
import type { Case, Peer, Scene, Server, Setting } from './peer.js'
import { apache } from './servers/apache.js'
import { caddy } from './servers/caddy.js'
import { haproxy } from './servers/haproxy.js'
import { nginx } from './servers/nginx.js'
import { bun, deno, nodeHttp, nodeHttps, startNode } from './servers/scripts.js'
import { varnish } from './servers/varnish.js'
import { TEXT } from './service/content.js'

/** Cases by capability and name. */
export const capabilities: Record<string, Record<string, Case>> = {
  ...messages,
  ...connections,
  ...secure,
  ...failures,
}

export const servers: readonly Server[] = [nginx, apache, caddy, haproxy, varnish, nodeHttp, nodeHttps, bun, deno]

export interface Outcome {
  readonly capability: string
  readonly name: string
  /** Failure, or null. */
  readonly error: string | null
  readonly milliseconds: number
}

/** Result of one server. `outcomes` is the reason as text if the server is not available. */
export interface Result {
  readonly server: Server
  readonly version: string
  readonly outcomes: readonly Outcome[] | string
}

/** ms */
const LIMIT = 15_000
/** Attempts to reproduce a known defect before it counts as gone. */
const TRIES = 10

/** Runs all cases against all servers, servers in parallel. `only` selects cases whose capability or name contains it. */
export async function runMatrix(part: { servers?: readonly Server[]; only?: string } = {}): Promise<Result[]> {
  const { only = '' } = part
  const running: (() => Promise<Result>)[] = []
  const { setting, stop } = await newSetting()
  try {
    // One after the other, because this may install packages.
    for (const server of part.servers ?? servers) {
      const reason = await server.missing()
      if (reason !== false) running.push(async () => ({ server, version: 'not here', outcomes: reason }))
      else running.push(() => runServer(server, setting, only))
    }
    return await Promise.all(running.map((run) => run()))
  } finally {
    await stop()
  }
}

async function newSetting(): Promise<{ setting: Setting; stop(): Promise<void> }> {
  const folder = newFolder()
  // Some servers switch to another user.
  chmodSync(folder, 0o755)
  const ca = await authority()
  const [server, other, client] = await Promise.all([
    serverIdentity(ca),
    serverIdentity(ca, 'other.example'),
    clientIdentity(ca),
  ])
  const big = randomBytes(10_000_000)
  const files = { 'big.bin': big, 'text.txt': TEXT, 'ca.pem': ca.cert }
  const keys = { 'server.pem': server.cert, 'server.key': server.key, 'other.pem': other.cert, 'other.key': other.key }
  for (const [name, content] of Object.entries({ ...files, ...keys })) writeFileSync(join(folder, name), content)
  const origin = await startNode({ folder, gzip: false })
  const setting = { folder, big, ca, client, origin: origin.ports.plain, echo: origin.ports.echo }
  const stop = async () => {
    await origin.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return { setting, stop }
}

async function runServer(server: Server, setting: Setting, only: string): Promise<Result> {
  const outcomes: Outcome[] = []
  let peer: Peer
  try {
    peer = await server.start(setting)
  } catch (error) {
    const [capability = ''] = Object.keys(capabilities)
    outcomes.push({ capability, name: 'it starts', error: String(error), milliseconds: 0 })
    return { server, version: '', outcomes }
  }
  try {
    for (const [capability, cases] of Object.entries(capabilities)) {
      for (const [name, run] of Object.entries(cases)) {
        const title = `${capability}: ${name}`
        if (!title.includes(only) || server.lacks[title] !== undefined) continue
        const start = performance.now()
        let error = await errorOf(run, { server, peer, setting })
        // One in a hundred responses of Varnish does not show its known defect.
        for (let tries = 1; error === null && server.defects?.[title] !== undefined && tries < TRIES; tries++) {
          error = await errorOf(run, { server, peer, setting })
        }
        outcomes.push({ capability, name, error, milliseconds: performance.now() - start })
      }
    }
  } finally {
    await peer.stop()
  }
  return { server, version: peer.version, outcomes }
}

async function errorOf(run: Case, scene: Scene): Promise<string | null> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`did not end within ${LIMIT} ms`)), LIMIT)
  })
  try {
    await Promise.race([run(scene), late])
    return null
  } catch (error) {
    return error instanceof Error ? `${error.stack?.slice(0, 1500)}` : String(error)
  } finally {
    clearTimeout(timer)
  }
}
