const TOP =
  /^(lib|wasm|test|bench|package\.json|package-lock\.json|tsconfig\.json|Makefile|README\.md|LICENSE|CHANGELOG\.md|\..+)$/
const MADE = /\.wasm$|\.generated\.ts$/

/** Returns files that git must not have: unknown names at the top level, and files that a build makes. */
export function unexpectedFiles(files: readonly string[]): string[] {
  return files.filter((name) => !TOP.test(name.split('/')[0] as string) || MADE.test(name))
}

interface Manifest {
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
  bundleDependencies?: string[]
  scripts?: Record<string, string>
}

/** Returns the dependencies and install scripts of a package. */
export function installProblems(manifest: Manifest): string[] {
  const { dependencies, optionalDependencies, peerDependencies, bundleDependencies, scripts = {} } = manifest
  const names = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })
  const hooks = ['preinstall', 'install', 'postinstall', 'prepare'].filter((name) => name in scripts)
  return [...names, ...(bundleDependencies ?? []), ...hooks]
}

/** Returns the hosts that a lock file downloads from. */
export function lockedHosts(lock: { packages: Record<string, { resolved?: string }> }): string[] {
  return Object.values(lock.packages).flatMap(({ resolved }) =>
    resolved === undefined ? [] : [new URL(resolved).host],
  )
}
