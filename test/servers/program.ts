import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A running server program in its own folder. */
export interface Program {
  readonly folder: string
  readonly pid: number
  /** Stops the program and removes the folder. */
  stop(): Promise<void>
}

/**
 * Checks that a program is installed, and installs it as root on Debian. Returns why a test must be skipped, or false.
 * @throws If the program is missing and SLUICE_NO_SKIP is set.
 */
export function missing(command: string, packages: string[] = [command]): string | false {
  if (found(command)) return false
  if (process.getuid?.() === 0 && found('apt-get')) {
    // At run level 1 the packages do not start their services.
    const options = {
      stdio: 'ignore' as const,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    }
    spawnSync('apt-get', ['update', '-qq'], options)
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], options)
    if (found(command)) return false
  }
  const reason = `${command} is not installed and can not be installed here`
  if (process.env.SLUICE_NO_SKIP !== undefined) throw new Error(reason)
  return reason
}

function found(command: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Returns a loopback port that was just free. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Returns different ports below the range that the system assigns to outgoing connections. */
export async function freePorts(count: number): Promise<number[]> {
  const servers: net.Server[] = []
  while (servers.length < count) {
    const server = net.createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(10_000 + Math.floor(Math.random() * 22_000), '127.0.0.1', () => resolve(true))
    })
    if (free) servers.push(server)
  }
  return Promise.all(
    servers.map((server) => {
      const { port } = server.address() as net.AddressInfo
      return new Promise<number>((resolve) => server.close(() => resolve(port)))
    }),
  )
}

export function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'sluice-'))
}

// Programs must not outlive a test that fails before it stops them.
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGTERM')
})

/** Starts a program and waits until its ports accept connections. */
export async function start(
  folder: string,
  command: [string, ...string[]],
  ports: readonly number[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Program> {
  const [name, ...rest] = command
  const child = spawn(name, rest, { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr?.on('data', (chunk) => {
    output += chunk
  })
  const ended = new Promise<never>((_resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}: ${output}`)))
    child.once('error', reject)
  })
  ended.catch(() => {})
  running.add(child)
  child.once('exit', () => running.delete(child))
  const program = { folder, pid: child.pid as number, stop: () => stop(child, folder) }
  try {
    for (const port of ports) await Promise.race([accepting(port), ended])
  } catch (error) {
    await program.stop()
    throw error
  }
  return program
}

async function accepting(port: number): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (open) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`nothing accepts on port ${port}`)
}

function stop(child: ChildProcess, folder: string): Promise<void> {
  return new Promise((resolve) => {
    const stubborn = setTimeout(() => child.kill('SIGKILL'), 5_000)
    const done = () => {
      clearTimeout(stubborn)
      rmSync(folder, { recursive: true, force: true })
      resolve()
    }
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return done()
    child.once('exit', done)
    child.kill('SIGTERM')
  })
}
