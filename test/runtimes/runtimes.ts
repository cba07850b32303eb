import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { plainEnvironment } from '../../bench/harness/processes.js'

/** An installed JavaScript runtime. */
export interface Runtime {
  /** `node@24` */
  readonly name: string
  readonly version: string
  readonly path: string
}

const installer = fileURLToPath(new URL('../../../test/runtimes/install.mjs', import.meta.url))
const running: Runtime = {
  name: `node@${process.versions.node.split('.')[0]}`,
  version: process.version,
  path: process.execPath,
}

/**
 * Installs a runtime if necessary. Returns why its tests must be skipped if that fails.
 * @throws {Error} If that fails and SLUICE_NO_SKIP is set.
 */
export async function runtime(name: string): Promise<Runtime | string> {
  if (name === running.name) return running
  const { code, stdout, stderr } = await run(process.execPath, [installer, name])
  const [, version, path] = stdout.trim().split('\t')
  if (code === 0 && version !== undefined && path !== undefined) return { name, version, path }
  const reason = stderr.trim() || `${name} can not be installed: the installer ended with ${code}`
  if (process.env.SLUICE_NO_SKIP !== undefined) throw new Error(reason)
  return reason
}

/** Returns a runtime that is installed in the cache, or null. */
export async function cachedRuntime(name: string): Promise<Runtime | null> {
  if (name === running.name) return running
  const [, version, path] = (await run(process.execPath, [installer, '--cached', name])).stdout.trim().split('\t')
  return version === undefined || path === undefined ? null : { name, version, path }
}

/** Runs a program and returns its exit code and output. */
export function run(
  path: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  cwd?: string,
): Promise<{ code: number | string; stdout: string; stderr: string }> {
  const options = { env: { ...plainEnvironment(), ...env }, maxBuffer: 64 * 1024 * 1024, ...(cwd && { cwd }) }
  return new Promise((resolve) => {
    execFile(path, args, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (error.code ?? error.signal ?? 1), stdout, stderr })
    })
  })
}
