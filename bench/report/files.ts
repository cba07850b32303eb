import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Packages } from '../harness/packages.js'
import type { Report } from '../harness/results.js'
import { pictures } from './pictures.js'

/** Writes JSON and pictures, and returns their paths. */
export async function save(report: Report, folder: string, packages: Packages): Promise<string[]> {
  mkdirSync(folder, { recursive: true })
  const start = `node${report.machine.node.slice(1).split('.')[0]}-${report.mode}`
  const files = [{ name: 'figures.json', text: `${JSON.stringify(report, null, 2)}\n` }]
  files.push(...(await pictures(report, packages)))
  return files.map(({ name, text }) => {
    const path = join(folder, `${start}-${name}`)
    writeFileSync(path, text)
    return relative(process.cwd(), path)
  })
}
