import { existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { newFolder, type Program, start } from './program.js'

/** A running HAProxy. */
export interface Haproxy extends Program {
  /** Runs a command of its management interface, such as `set server backends/b0 state drain`. */
  command(text: string): Promise<string>
  /** Starts another process with the current configuration (-sf). It takes over the listeners, and the old one finishes. */
  replace(): Promise<void>
}

/** Configuration sections for `haproxyOf`. `FOLDER` in them is replaced by the folder of `files`. */
export interface HaproxyPart {
  sections: readonly string[]
  ports: readonly number[]
  files?: Record<string, string>
}

export async function haproxyOf(part: HaproxyPart): Promise<Haproxy> {
  const folder = newFolder()
  const file = join(folder, 'haproxy.cfg')
  const socket = join(folder, 'admin.sock')
  for (const [name, content] of Object.entries(part.files ?? {})) writeFileSync(join(folder, name), content)
  writeFileSync(
    file,
    [
      'global',
      `    stats socket ${socket} level admin expose-fd listeners`,
      '    nbthread 1',
      '    maxconn 4000',
      'defaults',
      '    mode tcp',
      '    timeout connect 5s',
      '    timeout client 60s',
      '    timeout server 60s',
      ...part.sections.map((line) => line.replaceAll('FOLDER', folder)),
      '',
    ].join('\n'),
  )
  const programs = [await start(folder, ['haproxy', '-db', '-f', file], part.ports)]
  await appearing(socket)
  const replace = async () => {
    const old = String(programs[programs.length - 1]?.pid)
    programs.push(await start(folder, ['haproxy', '-db', '-f', file, '-x', socket, '-sf', old], part.ports))
  }
  const stop = async () => {
    await Promise.all(programs.map((program) => program.stop()))
  }
  const command = (text: string) =>
    new Promise<string>((resolve, reject) => {
      let output = ''
      const client = connect(socket, () => client.write(`${text}\n`))
      client.on('data', (chunk) => {
        output += chunk
      })
      client.on('end', () => resolve(output)).on('error', reject)
    })
  return { ...(programs[0] as Program), stop, command, replace }
}

/** Waits for the management socket: HAProxy accepts connections before it creates that file. */
async function appearing(path: string): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (existsSync(path)) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`HAProxy does not listen at ${path}`)
}

export function haproxy(part: { port: number; backends: readonly number[]; balance: string }): Promise<Haproxy> {
  const servers = part.backends.map((port, index) => `    server b${index} 127.0.0.1:${port}`)
  return haproxyOf({
    ports: [part.port],
    sections: [
      'frontend all',
      `    bind 127.0.0.1:${part.port}`,
      '    default_backend backends',
      'backend backends',
      `    balance ${part.balance}`,
      ...servers,
    ],
  })
}
