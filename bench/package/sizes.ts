import { gzipSync } from 'node:zlib'
import { bundlers } from './bundlers.js'
import { type Project, pack } from './project.js'

/** Sizes in bytes: one row of the table. */
export interface Size {
  readonly name: string
  readonly minified: number
  readonly gzipped: number
  /** Upper limit of `gzipped`, or null. */
  readonly limit: number | null
}

const KB = 1000

/** Upper limits in bytes: gzipped for bundles of the four dispatchers and of everything, unpacked for the package. */
export const LIMITS = { four: 68 * KB, whole: 98 * KB, unpacked: 1500 * KB }

/** Returns a program that sends a request to the URL in its first argument by each dispatcher. */
export function program(from: string): string {
  return `import { BalancedPool, Client, Pool, RoundRobinPool } from '${from}'
const url = process.argv[2]
for (const Class of [Client, Pool, RoundRobinPool, BalancedPool]) {
  const dispatcher = new Class(url)
  const { statusCode, body } = await dispatcher.request({ path: '/', method: 'GET' })
  console.log(Class.name, statusCode, await body.text())
  await dispatcher.close()
}
`
}

function sizeOf(project: Project, part: { name: string; path: string; limit: number | null }): Size {
  const bytes = project.read(part.path)
  return { name: part.name, minified: bytes.length, gzipped: gzipSync(bytes, { level: 9 }).length, limit: part.limit }
}

/** Bundles sluice and undici in `project`, where tests run the bundles, and returns the sizes. */
export async function bundleSizes(project: Project): Promise<Size[]> {
  project.link('undici')
  project.write('four.js', program('sluice'))
  project.write('undici.js', program('undici'))
  project.write('whole.js', "export * from 'sluice'\n")
  project.write('client.js', "export { Client } from 'sluice/client'\n")
  const sizes: Size[] = []
  const measure = async (name: string, part: { name: string; from: string; limit: number | null }) => {
    const bundler = bundlers.find((one) => one.name === name)
    const folder = `${name}-${part.from.replace('.js', '')}`
    await bundler?.bundle(project, { from: part.from, folder })
    sizes.push(sizeOf(project, { name: `${part.name}, ${name}`, path: `${folder}/main.mjs`, limit: part.limit }))
  }
  for (const { name } of bundlers) {
    await measure(name, { name: 'Client + three pools', from: 'four.js', limit: LIMITS.four })
  }
  await measure('esbuild', { name: 'Client alone', from: 'client.js', limit: LIMITS.four })
  await measure('esbuild', { name: 'everything', from: 'whole.js', limit: LIMITS.whole })
  await measure('esbuild', { name: 'undici 8, the same dispatchers', from: 'undici.js', limit: null })
  return sizes
}

/** Returns the unpacked size of the package in bytes. */
export function unpackedSize(): number {
  return pack().unpackedSize
}
