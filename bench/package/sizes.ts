import { gzipSync } from 'node:zlib'
import { bundlers } from './bundlers.js'
import { type Project, pack } from './project.js'

/** A line of the table, in bytes. */
export interface Size {
  readonly what: string
  readonly minified: number
  readonly gzipped: number
  /** Largest that `gzipped` may be. */
  readonly limit: number | null
}

const KB = 1000

/** Of what is shown. */
export const LIMITS = { four: 63 * KB, whole: 91 * KB, unpacked: 480 * KB }

/** Takes the address of an origin, and asks it by each of them. */
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

function sizeOf(project: Project, part: { what: string; path: string; limit: number | null }): Size {
  const bytes = project.read(part.path)
  return { what: part.what, minified: bytes.length, gzipped: gzipSync(bytes, { level: 9 }).length, limit: part.limit }
}

/** Sizes of bundles, ours and undici's; made in `project`, where they can be run afterwards. */
export async function bundleSizes(project: Project): Promise<Size[]> {
  project.link('undici')
  project.write('four.js', program('sluice'))
  project.write('undici.js', program('undici'))
  project.write('whole.js', "export * from 'sluice'\n")
  project.write('client.js', "export { Client } from 'sluice/client'\n")
  const sizes: Size[] = []
  const measure = async (name: string, part: { what: string; from: string; limit: number | null }) => {
    const bundler = bundlers.find((one) => one.name === name)
    const folder = `${name}-${part.from.replace('.js', '')}`
    await bundler?.bundle(project, { from: part.from, folder })
    sizes.push(sizeOf(project, { what: `${part.what}, ${name}`, path: `${folder}/main.mjs`, limit: part.limit }))
  }
  for (const { name } of bundlers) {
    await measure(name, { what: 'Client + three pools', from: 'four.js', limit: LIMITS.four })
  }
  await measure('esbuild', { what: 'Client alone', from: 'client.js', limit: LIMITS.four })
  await measure('esbuild', { what: 'all of it', from: 'whole.js', limit: LIMITS.whole })
  await measure('esbuild', { what: 'undici 8, the same four', from: 'undici.js', limit: null })
  return sizes
}

/** Bytes of what is installed. */
export function unpackedSize(): number {
  return pack().unpackedSize
}
