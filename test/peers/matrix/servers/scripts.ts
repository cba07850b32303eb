import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { plainEnvironment } from '../../../../bench/harness/processes.js'
import { runtime } from '../../../runtimes/runtimes.js'
import { freePorts, newFolder, type Program, start } from '../../../servers/program.js'
import type { Peer, Server, Setting } from '../peer.js'
import type { Order } from '../service/content.js'

/** Starts a service of this folder as a process. */
export async function startService(
  part: { command: [string, ...string[]]; program: string; listens: readonly (keyof Order['ports'])[] },
  order: { folder: string; gzip: boolean },
): Promise<Program & { ports: Order['ports']; home: string }> {
  const [plain, secure, mutual, short, echo] = (await freePorts(5)) as [number, number, number, number, number]
  const ports = { plain, secure, mutual, short, echo }
  const home = newFolder()
  const script = fileURLToPath(new URL(`../service/${part.program}`, import.meta.url))
  const text = JSON.stringify({ ...order, ports, home } satisfies Order)
  const wanted = part.listens.map((name) => ports[name])
  const program = await start(home, [...part.command, script, text], wanted, plainEnvironment())
  return { ...program, ports, home }
}

export function startNode(order: { folder: string; gzip: boolean }) {
  const listens = ['echo', 'plain', 'secure', 'mutual', 'short'] as const
  return startService({ command: [process.execPath], program: 'node.js', listens }, order)
}

function node(name: string, secure: boolean): Server {
  return {
    name,
    headLimit: { bytes: 24_000, status: 431 },
    lacks: {},
    missing: async () => false,
    async start({ folder }) {
      const { ports, home, pid, stop } = await startNode({ folder, gzip: true })
      const https = `https://localhost:${ports.secure}`
      const url = secure ? https : `http://127.0.0.1:${ports.plain}`
      return {
        version: process.versions.node,
        url,
        secure: https,
        mutual: `https://localhost:${ports.mutual}`,
        short: `http://127.0.0.1:${ports.short}`,
        socketPath: join(home, 'service.sock'),
        connect: url,
        reload: async () => void process.kill(pid, 'SIGHUP'),
        stop,
      }
    },
  }
}

export const nodeHttp = node('Node http', false)
export const nodeHttps = node('Node https', true)

async function missingRuntime(name: string): Promise<string | false> {
  const found = await runtime(name)
  return typeof found === 'string' ? found : false
}

async function startIn(
  name: string,
  part: { flags: string[]; listens: readonly (keyof Order['ports'])[] },
  { folder }: Setting,
): Promise<{ service: Awaited<ReturnType<typeof startService>>; peer: Peer }> {
  const found = await runtime(name)
  if (typeof found === 'string') throw new Error(found)
  const command: [string, ...string[]] = [found.path, ...part.flags]
  const service = await startService({ command, program: `${name}.js`, listens: part.listens }, { folder, gzip: true })
  const { ports, home, stop } = service
  const peer: Peer = {
    version: /\d+(\.\d+)+/.exec(found.version)?.[0] ?? '',
    url: `http://127.0.0.1:${ports.plain}`,
    secure: `https://localhost:${ports.secure}`,
    short: `http://127.0.0.1:${ports.short}`,
    socketPath: join(home, 'service.sock'),
    stop,
  }
  return { service, peer }
}

const COMMON = {
  'answers: until the connection closes': 'it always puts the body in chunks',
  'answers: with trailers': 'a Response has none',
  'answers: trailers': 'a Response has none',
  'tunnels: CONNECT': 'it has no means to hand the socket over',
  'keep-alive: three requests on each connection': 'it has no such limit',
}

export const bun: Server = {
  name: 'Bun',
  headLimit: { bytes: 24_000, status: 431 },
  lacks: { ...COMMON },
  missing: () => missingRuntime('bun'),
  async start(setting) {
    const listens = ['plain', 'secure', 'mutual', 'short'] as const
    const { peer, service } = await startIn('bun', { flags: ['run'], listens }, setting)
    return {
      ...peer,
      mutual: `https://localhost:${service.ports.mutual}`,
      reload: async () => void process.kill(service.pid, 'SIGHUP'),
    }
  },
}

export const deno: Server = {
  name: 'Deno',
  headLimit: { bytes: 600_000, status: 400 },
  lacks: {
    ...COMMON,
    'keep-alive: the server closes an idle connection': 'it has no such limit',
    'TLS: a client certificate': 'it asks for none',
    'TLS: a certificate by server name (SNI)': 'it takes one certificate',
    'reload: no request is lost': 'it has no reload',
  },
  missing: () => missingRuntime('deno'),
  async start(setting) {
    const flags = ['run', '-A', '--no-lock']
    return (await startIn('deno', { flags, listens: ['plain', 'secure'] }, setting)).peer
  },
}
