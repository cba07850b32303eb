// `make test-runtimes`: runs all capabilities of the library in each runtime. ARGS: `--host Deno`, `--only TLS`, `--markdown`.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { authority, serverIdentity } from '../servers/certificates.js'
import type { Origin } from '../servers/origin.js'
import { freePort, newFolder } from '../servers/program.js'
import { proxyServer } from '../servers/proxy.js'
import { constrained } from './constrained.js'
import { conformIn, hosts, newProject } from './hosts.js'
import { startOrigin } from './origin.js'
import type { World } from './servers.js'
import { type Judged, judge, markdown, plain } from './table.js'

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '' },
    only: { type: 'string', default: '' },
    markdown: { type: 'boolean', default: false },
  },
})

const servers: Origin[] = []

async function started(server: Promise<Origin>): Promise<Origin> {
  servers.push(await server)
  return server
}

async function startWorld(folder: string): Promise<World> {
  const [ca, stranger] = await Promise.all([authority(), authority()])
  const identities = [serverIdentity(ca), serverIdentity(stranger), serverIdentity(ca, 'origin.example')] as const
  const [tls, untrusted, named] = await Promise.all(identities)
  const socketPath = join(folder, 'origin.sock')
  const local = ({ url }: Origin) => url.replace('127.0.0.1', 'localhost')
  const world = {
    http: (await started(startOrigin())).url,
    other: (await started(startOrigin())).url,
    https: local(await started(startOrigin({ tls }))),
    ca: ca.cert,
    untrusted: local(await started(startOrigin({ tls: untrusted }))),
    stranger: stranger.cert,
    named: (await started(startOrigin({ tls: named }))).url.replace('127.0.0.1', 'origin.example'),
    proxy: (await started(proxyServer())).url,
    refused: `http://127.0.0.1:${await freePort()}`,
    socketPath,
  }
  await started(startOrigin({ path: socketPath }))
  return world
}

async function main(): Promise<void> {
  const folder = newFolder()
  const project = await newProject()
  const all: Judged[] = []
  try {
    const world = await startWorld(folder)
    for (const group of [hosts, constrained]) {
      const judged: Judged[] = []
      for (const host of group) {
        if (!host.name.includes(values.host)) continue
        const result = await conformIn(host, { folder: project, world, only: values.only })
        if (typeof result === 'string') console.error(`${host.name}: skipped: ${result}`)
        judged.push(judge(host.name, result))
      }
      if (judged.length > 0) console.log(`${values.markdown ? markdown(judged) : plain(judged)}\n`)
      all.push(...judged)
    }
  } finally {
    await Promise.all(servers.map((server) => server.close()))
    for (const made of [folder, project]) rmSync(made, { recursive: true, force: true })
  }
  const wrong = all.flatMap(({ complaints }) => complaints)
  for (const complaint of wrong) console.error(`\n${complaint}`)
  if (wrong.length > 0) process.exitCode = 1
}

await main()
