/**
 * Measures the tables of bench/README.md again, one for each Node, and draws bench/speed.svg from them. `--picture` only
 * draws. Other arguments are passed to bench/run.ts.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { figuresOf, speedPicture } from './report/speed.js'

const NODES = ['20', '26']
/** The Node whose table is drawn. */
const PICTURE_NODE = '26'
const run = fileURLToPath(new URL('./run.js', import.meta.url))
const pathOf = (name: string) => fileURLToPath(new URL(`../../bench/${name}`, import.meta.url))
const readme = pathOf('README.md')

function measure(node: string, args: readonly string[]): string {
  const options = { encoding: 'utf8' as const, stdio: ['ignore' as const, 'pipe' as const, 'inherit' as const] }
  const { status, stdout } = spawnSync(process.execPath, [run, '--markdown', '--node', node, ...args], options)
  if (status !== 0) throw new Error(`bench/run.js failed on Node ${node} with exit code ${status}`)
  return stdout.trim()
}

const args = process.argv.slice(2).filter((arg) => arg !== '--picture')
if (!process.argv.includes('--picture')) {
  for (const node of NODES) {
    const table = measure(node, args)
    console.log(`${table}\n`)
    const section = new RegExp(`(?<=^## Node ${node}\\n\\n)[\\s\\S]*?(?=\\n\\n## )`, 'm')
    writeFileSync(
      readme,
      readFileSync(readme, 'utf8').replace(section, () => table),
    )
  }
}
const figures = figuresOf(readFileSync(readme, 'utf8'), PICTURE_NODE)
writeFileSync(
  pathOf('speed.svg'),
  speedPicture(figures, `Node ${PICTURE_NODE}; percentage of the raw socket baseline after each figure`),
)
console.log('bench/speed.svg')
