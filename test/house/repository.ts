const TOP =
  /^(lib|wasm|test|bench|package\.json|package-lock\.json|tsconfig\.json|Makefile|README\.md|LICENSE|CHANGELOG\.md|\..+)$/
const MADE = /\.wasm$|\.generated\.ts$/

/** What git should not keep: names at the top that the house does not know, and what a build makes. */
export function strangers(files: readonly string[]): string[] {
  return files.filter((name) => !TOP.test(name.split('/')[0] as string) || MADE.test(name))
}

interface Manifest {
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
  bundleDependencies?: string[]
  scripts?: Record<string, string>
}

/** What a package would bring upon those who install it. */
export function burdens(manifest: Manifest): string[] {
  const { dependencies, optionalDependencies, peerDependencies, bundleDependencies, scripts = {} } = manifest
  const names = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })
  const hooks = ['preinstall', 'install', 'postinstall', 'prepare'].filter((name) => name in scripts)
  return [...names, ...(bundleDependencies ?? []), ...hooks]
}

/** Hosts that a lock file sends its users to. */
export function lockedHosts(lock: { packages: Record<string, { resolved?: string }> }): string[] {
  return Object.values(lock.packages).flatMap(({ resolved }) =>
    resolved === undefined ? [] : [new URL(resolved).host],
  )
}
